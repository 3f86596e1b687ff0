// SPDX-License-Identifier: MIT
// Signal handlers of a loop. IO9
#include "runtime_test.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <thread>

namespace coir::test {
namespace {

class SignalTest : public RuntimeTest {
 protected:
  static bool has_default_action(int sig) {
    struct sigaction present {};
    ::sigaction(sig, nullptr, &present);
    return (present.sa_flags & SA_SIGINFO) == 0 && present.sa_handler == SIG_DFL;
  }
  void TearDown() override {
    RuntimeTest::TearDown();
    for (const int sig : {SIGUSR1, SIGUSR2, SIGINT, SIGALRM, SIGHUP, SIGTERM}) {
      EXPECT_TRUE(has_default_action(sig)) << sig << " is still handled after the loop closed";
    }
  }
};

// CPython: test_events.py, test_add_signal_handler, test_signal_handling_args.
TEST_F(SignalTest, CallsTheHandlerOnceForASignal) {
  loop().add_signal_handler(SIGUSR1, [&, argument = std::string("usr1")] { trace(argument); });
  ::kill(::getpid(), SIGUSR1);
  EXPECT_EQ(events, Trace{}) << "not inside of the signal handler";
  run_ready();
  EXPECT_EQ(events, Trace{"usr1"});
}

// CPython: test_events.py, test_add_signal_handler; test_unix_events.py, test_check_signal.
TEST_F(SignalTest, RefusesWhatIsNoSignalOrCannotBeHandled) {
  for (const int sig : {0, -1, NSIG + 1, SIGRTMIN - 1}) {
    EXPECT_THROW(loop().add_signal_handler(sig, [] {}), std::invalid_argument) << sig;
    EXPECT_THROW(loop().remove_signal_handler(sig), std::invalid_argument) << sig;
  }
  for (const int sig : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    EXPECT_THROW(loop().add_signal_handler(sig, [] {}), std::invalid_argument) << sig;
    EXPECT_FALSE(loop().remove_signal_handler(sig)) << sig;
  }
}

TEST_F(SignalTest, DestroysTheCallableOfARefusedHandler) {
  bool destroyed = false;
  EXPECT_THROW(loop().add_signal_handler(SIGKILL, [witness = on_destruction([&] { destroyed = true; })] {}),
               std::invalid_argument);
  EXPECT_TRUE(destroyed);
}

// CPython: test_unix_events.py, test_remove_signal_handler, test_remove_signal_handler_2.
// CPython: test_events.py, test_add_signal_handler.
TEST_F(SignalTest, RemovingTellsWhetherThereWasOneAndRestoresTheDefaultAction) {
  for (const int sig : {SIGHUP, SIGINT}) {
    EXPECT_FALSE(loop().remove_signal_handler(sig));
    loop().add_signal_handler(sig, [] {});
    EXPECT_FALSE(has_default_action(sig));
    EXPECT_TRUE(loop().remove_signal_handler(sig));
    EXPECT_TRUE(has_default_action(sig));
    EXPECT_FALSE(loop().remove_signal_handler(sig));
  }
}

// CPython: test_unix_events.py, test_add_signal_handler.
TEST_F(SignalTest, AddingAgainReplacesTheHandlerAlsoForASignalOnItsWay) {
  bool first_destroyed = false;
  loop().add_signal_handler(SIGUSR1,
                            [&, witness = on_destruction([&] { first_destroyed = true; })] { trace("first"); });
  ::raise(SIGUSR1);
  loop().add_signal_handler(SIGUSR1, note("second"));
  EXPECT_TRUE(first_destroyed);
  run_ready();
  EXPECT_EQ(events, Trace{"second"});
}

TEST_F(SignalTest, RunsInOrderOfArrivalAmongTheOtherCallbacks) {  // IO9
  loop().add_signal_handler(SIGUSR1, [&] {
    trace("usr1");
    loop().call_soon(note("after usr1"));
  });
  loop().add_signal_handler(SIGUSR2, note("usr2"));
  loop().call_soon([&] {
    loop().call_soon(note("before"));
    loop().call_soon_threadsafe(note("posted before"));
    ::raise(SIGUSR2);
    ::raise(SIGUSR1);
    loop().call_soon_threadsafe(note("posted after"));
  });
  run_ready();
  EXPECT_EQ(events, (Trace{"before", "posted before", "usr2", "usr1", "posted after", "after usr1"}));
}

TEST_F(SignalTest, SignalsBeforeTheHandlerBeganRunItOnceThoseBehindRunItAgain) {
  int calls = 0;
  loop().add_signal_handler(SIGUSR1, [&] {
    if (++calls == 1) ::raise(SIGUSR1);
  });
  for (int i = 0; i < 10; ++i) ::raise(SIGUSR1);
  run_ready();
  EXPECT_EQ(calls, 2);
}

TEST_F(SignalTest, AHandlerMayRemoveItself) {  // IO9: survives re-entrancy
  bool destroyed = false;
  loop().add_signal_handler(SIGUSR1, [&, witness = on_destruction([&] { destroyed = true; })] {
    EXPECT_TRUE(loop().remove_signal_handler(SIGUSR1));
    EXPECT_FALSE(destroyed) << "under its feet";
    trace("ran");
  });
  ::raise(SIGUSR1);
  run_ready();
  EXPECT_TRUE(destroyed);
  EXPECT_TRUE(has_default_action(SIGUSR1));
  EXPECT_EQ(events, Trace{"ran"});
}

TEST_F(SignalTest, AHandlerMayReplaceItselfAndAddOthers) {  // IO9
  loop().add_signal_handler(SIGUSR1, [&] {
    trace("first");
    loop().add_signal_handler(SIGUSR1, note("second"));
    loop().add_signal_handler(SIGUSR2, note("other"));
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
  });
  ::raise(SIGUSR1);
  run_ready();
  EXPECT_EQ(events, (Trace{"first", "second", "other"}));
}

// CPython: test_unix_events.py, test_handle_signal_no_handler, test_handle_signal_cancelled_handler.
TEST_F(SignalTest, ARemovedHandlerDoesNotRunForASignalOnItsWay) {
  loop().add_signal_handler(SIGUSR1, note("removed"));
  ::raise(SIGUSR1);
  EXPECT_TRUE(loop().remove_signal_handler(SIGUSR1));
  run_ready();
  EXPECT_EQ(events, Trace{});
}

TEST_F(SignalTest, AnExceptionGoesToTheExceptionHandlerAndTheSignalStaysHandled) {
  loop().add_signal_handler(
      SIGUSR1, [] { throw std::runtime_error("handler"); }, "on usr1");
  ::raise(SIGUSR1);
  run_ready();
  ::raise(SIGUSR1);
  run_ready();
  expect_reported({"Exception in callback 'on usr1' scheduled at signal_test.cpp:",
                   "Exception in callback 'on usr1' scheduled at signal_test.cpp:"});
}

TEST_F(SignalTest, AHandlerMayLeaveTheLoop) {
  loop().add_signal_handler(SIGTERM, [] { throw SystemExit("terminated"); });
  ::raise(SIGTERM);
  EXPECT_THROW(run_ready(), SystemExit);
}

// CPython: test_unix_events.py, test_close.
TEST_F(SignalTest, ClosingTheLoopRemovesAllHandlersAndDestroysThem) {  // IO9
  int destroyed = 0;
  for (const int sig : {SIGHUP, SIGUSR1}) {
    loop().add_signal_handler(sig, [witness = on_destruction([&] { ++destroyed; })] { FAIL() << "a closed loop ran"; });
  }
  ::raise(SIGUSR1);
  loop().close();
  EXPECT_EQ(destroyed, 2);
  EXPECT_TRUE(has_default_action(SIGHUP));
  EXPECT_TRUE(has_default_action(SIGUSR1));
  EXPECT_FALSE(loop().remove_signal_handler(SIGUSR1));
  expect_usage_error(Reason::loop_is_closed, "add_signal_handler()",
                     [&] { loop().add_signal_handler(SIGUSR1, [] {}); });
}

TEST_F(SignalTest, BelongsToOneLoopAtATime) {
  EventLoop other;
  loop().add_signal_handler(SIGUSR1, note("ours"));
  expect_usage_error(Reason::signal_in_use, "another loop handles signal",
                     [&] { other.add_signal_handler(SIGUSR1, [] {}); });
  EXPECT_FALSE(other.remove_signal_handler(SIGUSR1));
  ::raise(SIGUSR1);
  run_ready();
  EXPECT_EQ(events, Trace{"ours"});
  EXPECT_TRUE(loop().remove_signal_handler(SIGUSR1));
  other.add_signal_handler(SIGUSR1, [] {});
  other.close();
}

TEST_F(SignalTest, ALoopOfAnotherThreadMayOwnASignal) {
  std::thread([&] {
    coir::run([&] {
      auto arrived = get_running_loop().create_future<void>();
      get_running_loop().add_signal_handler(SIGUSR1, [=] { arrived.set_result(); });
      ::kill(::getpid(), SIGUSR1);  // whichever thread the kernel chooses
      await(arrived);
    });
  }).join();
}

TEST_F(SignalTest, ErrnoSurvivesASignal) {
  loop().add_signal_handler(SIGUSR1, [] {});
  errno = ERANGE;
  ::raise(SIGUSR1);
  EXPECT_EQ(errno, ERANGE);
  run_ready();
}

TEST_F(SignalTest, AnActionOfTheProgramIsReplaced) {
  ::signal(SIGUSR1, [](int) { FAIL() << "the program's action ran"; });
  loop().add_signal_handler(SIGUSR1, note("ours"));
  ::raise(SIGUSR1);
  run_ready();
  EXPECT_EQ(events, Trace{"ours"});
}

// CPython: test_events.py, test_signal_handling_while_selecting.
TEST_F(SignalTest, EndsTheSleepOfAnIdleLoop) {
  EventLoop real;
  int caught = 0;
  real.add_signal_handler(SIGALRM, [&] {
    ++caught;
    real.stop();
  });
  const itimerval soon{{0, 0}, {0, 10'000}};
  ::setitimer(ITIMER_REAL, &soon, nullptr);
  const auto limit = real.call_later(60s, [&] { real.stop(); });
  real.run_forever();
  EXPECT_EQ(caught, 1);
  real.close();
}

TEST_F(SignalTest, AThousandSignalsFromAnotherThreadAreNeitherLostNorRaced) {
  coir::run([&] {
    EventLoop& here = get_running_loop();
    const pthread_t loop_thread = ::pthread_self();
    std::atomic<int> sent{0};
    int seen = 0;
    auto all_seen = here.create_future<void>();
    here.add_signal_handler(SIGUSR1, [&] {
      seen = sent.load();
      if (seen == 1000 && !all_seen.done()) all_seen.set_result();
    });
    std::thread sender([&] {
      for (int i = 0; i < 1000; ++i) {
        ++sent;
        if (i % 2 == 0) {
          ::pthread_kill(loop_thread, SIGUSR1);
        } else {
          ::raise(SIGUSR1);  // handled on this thread
        }
      }
    });
    await(all_seen);  // the last signal runs the handler: it cannot have been merged into an earlier run
    sender.join();
    here.remove_signal_handler(SIGUSR1);  // what it captures ends here, and one more signal may be on its way
    EXPECT_EQ(seen, 1000);
  });
}

TEST_F(SignalTest, HandlersComeAndGoWhileSignalsArriveOnAnotherThread) {
  // SIGURG: its default action is to be ignored, so that what arrives between two handlers does no harm.
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    while (!stop) ::raise(SIGURG);
  });
  for (int i = 0; i < 300; ++i) {
    loop().add_signal_handler(SIGURG, [memory = std::make_unique<int>(i)] { ++*memory; });
    run_ready();
    loop().add_signal_handler(SIGURG, [memory = std::make_unique<int>(i)] { ++*memory; });
    EXPECT_TRUE(loop().remove_signal_handler(SIGURG));
  }
  stop = true;
  sender.join();
  run_ready();
}

TEST_F(SignalTest, TakesSigintOverFromRun) {
  coir::run([&] {
    auto arrived = get_running_loop().create_future<void>();
    EXPECT_FALSE(get_running_loop().remove_signal_handler(SIGINT)) << "that of run() is not the program's";
    get_running_loop().add_signal_handler(SIGINT, [=] { arrived.set_result(); });
    ::raise(SIGINT);
    await(arrived);
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

TEST_F(SignalTest, RunLeavesAHandlerOfTheProgramsLoopInPlace) {
  Runner runner;
  int caught = 0;
  runner.get_loop().add_signal_handler(SIGINT, [&] { ++caught; });
  runner.run([&] {
    ::raise(SIGINT);
    sleep(0s);
    sleep(0s);
  });
  EXPECT_EQ(caught, 1);
  EXPECT_FALSE(has_default_action(SIGINT));
  runner.close();
}

TEST_F(SignalTest, ASigintBehindTheLastTurnIsNotLost) {
  EXPECT_EQ(ending_of([&] {
              coir::run([&] {
                get_running_loop().call_soon([] { get_running_loop().call_soon([] { ::raise(SIGINT); }); });
                sleep(0s);
              });
            }),
            "coir::KeyboardInterrupt: SIGINT");
}

}  // namespace
}  // namespace coir::test
