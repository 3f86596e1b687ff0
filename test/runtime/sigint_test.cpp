// SPDX-License-Identifier: MIT
// R2: Ctrl-C, on the real clock: each sleep here ends by cancellation.
#include "runtime_test.hpp"

#include <coir/threads.hpp>

#include <pthread.h>
#include <signal.h>

#include <thread>

namespace coir::test {
namespace {

class SigintTest : public RuntimeTest {
 protected:
  static bool has_default_action() {
    struct sigaction present {};
    ::sigaction(SIGINT, nullptr, &present);
    return present.sa_handler == SIG_DFL;
  }
  void TearDown() override {
    EXPECT_TRUE(has_default_action()) << "run() left its handler behind";
    RuntimeTest::TearDown();
  }
};

TEST_F(SigintTest, TheFirstCancelsMainAndKeyboardInterruptLeaves) {  // R2
  EXPECT_EQ(ending_of([&] {
              coir::run([&] {
                EXPECT_FALSE(has_default_action());
                ::raise(SIGINT);
                trace("not killed");
                try {
                  sleep(1h);
                } catch (const CancelledError&) {
                  EXPECT_EQ(current_task().cancelling(), 1);
                  trace("cancelled");
                  throw;
                }
              });
            }),
            "coir::KeyboardInterrupt: SIGINT");
  EXPECT_EQ(events, (Trace{"not killed", "cancelled"}));
}

TEST_F(SigintTest, SwallowedRunReturnsNormally) {  // R2
  EXPECT_EQ(coir::run([&] {
              ::kill(::getpid(), SIGINT);
              try {
                sleep(1h);
              } catch (const CancelledError&) {
                sleep(0s);
              }
              return 1;
            }),
            1);
}

TEST_F(SigintTest, TheSecondLeavesAtOnce) {  // R2
  EXPECT_EQ(ending_of([&] {
              coir::run([&] {
                ::raise(SIGINT);
                try {
                  sleep(1h);
                } catch (const CancelledError&) {
                  trace("first");
                }
                ::raise(SIGINT);
                try {
                  sleep(1h);  // the interrupt leaves the loop here; draining then cancels main
                } catch (const CancelledError&) {
                  trace("drained");
                  throw;
                }
              });
            }),
            "coir::KeyboardInterrupt: SIGINT, twice");
  EXPECT_EQ(events, (Trace{"first", "drained"}));
}

TEST_F(SigintTest, TwoInOneTurnLeaveAtOnce) {  // R2
  EXPECT_EQ(ending_of([&] {
              coir::run([&] {
                ::raise(SIGINT);
                ::raise(SIGINT);
                sleep(1h);
              });
            }),
            "coir::KeyboardInterrupt: SIGINT, twice");
}

// CPython: test_runners.py, test_interrupt_wait.
TEST_F(SigintTest, EndsTheSleepOfAnIdleLoop) {  // R2
  const pthread_t first_thread = ::pthread_self();
  Future<void> awaited;
  EXPECT_THROW(coir::run([&] {
                 auto sent = get_running_loop().run_in_executor([&] {
                   // Until the loop sleeps. Before that ThreadSanitizer now and then takes a signal and never runs its
                   // handler.
                   std::this_thread::sleep_for(50ms);
                   ::pthread_kill(first_thread, SIGINT);
                 });
                 awaited = get_running_loop().create_future<void>();
                 await(awaited);
               }),
               KeyboardInterrupt);
  EXPECT_TRUE(awaited.cancelled());
}

TEST_F(SigintTest, LeftoverTasksAreDrained) {  // R1, R2
  EXPECT_THROW(coir::run([&] {
                 static_cast<void>(create_task([&] {
                   try {
                     sleep(1h);
                   } catch (...) {
                     trace("cleaned up");
                     throw;
                   }
                 }));
                 sleep(0s);
                 ::raise(SIGINT);
                 sleep(1h);
               }),
               KeyboardInterrupt);
  EXPECT_EQ(events, (Trace{"cleaned up"}));
}

TEST_F(SigintTest, AMainThatWasCancelledByOthersTooEndsCancelled) {  // R2: uncancel() == 0 is required
  EXPECT_THROW(coir::run([&] {
                 ::raise(SIGINT);
                 try {
                   sleep(1h);
                 } catch (const CancelledError&) {
                   current_task().cancel("by others");
                   throw;
                 }
               }),
               CancelledError);
}

// R2. CPython: test_runners.py, test_interrupt_cancelled_task.
TEST_F(SigintTest, AMainThatOthersCancelledFirstEndsCancelled) {
  EXPECT_EQ(ending_of([&] {
              coir::run([&] {
                static_cast<void>(create_task([main = current_task()] {
                  sleep(0s);
                  main.cancel("by others");
                  ::raise(SIGINT);
                }));
                try {
                  sleep(1h);
                } catch (const CancelledError&) {
                  sleep(1h);  // the signal reaches the loop in the next turn
                }
              });
            }),
            "CancelledError: ");
}

// R2. CPython: test_runners.py, test_interrupt_call_soon.
TEST_F(SigintTest, ReachesAMainThatOnlyYields) {
  EXPECT_THROW(coir::run([&] {
                 try {
                   for (int turns = 0;; ++turns) {
                     if (turns == 10) ::raise(SIGINT);
                     sleep(0s);
                   }
                 } catch (const CancelledError&) {
                   trace("cancelled");
                   throw;
                 }
               }),
               KeyboardInterrupt);
  EXPECT_EQ(events, (Trace{"cancelled"}));
}

TEST_F(SigintTest, AMainThatFailsAfterTheSignalFailsWithItsOwnError) {
  EXPECT_THROW(coir::run([&] {
                 ::raise(SIGINT);
                 try {
                   sleep(1h);
                 } catch (const CancelledError&) {
                   throw std::out_of_range("cleanup");
                 }
               }),
               std::out_of_range);
}

TEST_F(SigintTest, IsNotTouchedIfNotWanted) {
  coir::run([] { EXPECT_TRUE(has_default_action()); }, {.handle_sigint = false});
}

TEST_F(SigintTest, AnActionOfTheProgramIsLeftAlone) {
  static volatile sig_atomic_t caught = 0;
  ::signal(SIGINT, [](int) { caught = 1; });
  coir::run([] {
    ::raise(SIGINT);
    sleep(0s);
  });
  ::signal(SIGINT, SIG_DFL);
  EXPECT_EQ(caught, 1);
}

// CPython: test_runners.py, test_signal_install_not_supported_ok.
TEST_F(SigintTest, OnlyTheFirstThreadHandlesIt) {
  std::thread([] { coir::run([] { EXPECT_TRUE(has_default_action()); }); }).join();
}

TEST_F(SigintTest, AThirdEndsAProcessWhoseLoopIsStuck) {
  const ChildResult child = in_child([] {
    coir::run([] {
      for (int i = 0; i < 3; ++i) ::raise(SIGINT);
    });
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGINT) << child.status;
}

}  // namespace
}  // namespace coir::test
