// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <coir/threads.hpp>

#include <stdexcept>

namespace coir::test {
namespace {

class TestingTest : public ThreadedTest {};

TEST_F(TestingTest, AVirtualClockStandsStillWhileAnythingIsReadyAndJumpsWhenIdle) {
  run([&] {
    loop().call_later(1s, note("timer"));
    for (int i = 0; i < 100; ++i) sleep(0s);
    EXPECT_EQ(elapsed_ms(), 0);
    EXPECT_EQ(events, Trace{});
    sleep(24h);
    EXPECT_EQ(elapsed_ms(), 24L * 3600 * 1000);
  });
  EXPECT_EQ(events, (Trace{"timer"}));
}

TEST_F(TestingTest, AVirtualClockMayBeAdvancedByHand) {
  loop().call_later(1s, note("timer"));
  clock.advance(2s);
  loop().stop();
  loop().run_forever();
  EXPECT_EQ(events, (Trace{"timer"}));
  EXPECT_EQ(elapsed_ms(), 2000);
}

TEST_F(TestingTest, AVirtualClockDoesNotJumpWhileAThreadWorks) {
  run([&] {
    loop().call_later(1h, note("timer"));
    EXPECT_EQ(to_thread([] { return 1; }), 1);
    EXPECT_EQ(elapsed_ms(), 0);
    EXPECT_EQ(events, Trace{});
    sleep(2h);
  });
}

TEST_F(TestingTest, RunUntilStalledRunsEverythingThatCanRun) {
  auto future = loop().create_future<void>();
  auto task = loop().create_task([&] {
    sleep(1h);
    trace("slept");
    await(future);
    trace("ended");
  });
  EXPECT_TRUE(run_until_stalled(loop()));
  EXPECT_EQ(events, (Trace{"slept"}));
  future.set_result();
  EXPECT_TRUE(run_until_stalled(loop()));
  EXPECT_EQ(events, (Trace{"slept", "ended"}));
}

TEST_F(TestingTest, RunUntilStalledSaysWhetherItWasStopped) {
  loop().call_soon([&] { loop().stop(); });
  loop().call_later(1s, note("later"));
  EXPECT_FALSE(run_until_stalled(loop()));
  EXPECT_EQ(events, Trace{});
  EXPECT_TRUE(run_until_stalled(loop()));
  EXPECT_EQ(events, (Trace{"later"}));
}

TEST_F(TestingTest, RunVirtualReturnsAndThrowsAsRunDoes) {
  EXPECT_EQ(run_virtual([] {
              sleep(1000h);
              return 1;
            }),
            1);
  run_virtual([] { sleep(1h); });
  EXPECT_THROW(run_virtual([] { throw std::out_of_range("x"); }), std::out_of_range);
  EXPECT_THROW(run_virtual([]() -> int { throw std::out_of_range("x"); }), std::out_of_range);
  EXPECT_EQ(ending_of([] { run_virtual([] { throw CancelledError("c"); }); }), "CancelledError: c");
}

TEST_F(TestingTest, ADeadlockNamesEveryBlockedTaskAndWhatItWaitsOn) {
  try {
    run_virtual([&] {
      auto future = get_running_loop().create_future<void>();
      auto first = create_task([&] { await(future); }, TaskOptions{.name = "philosopher"});
      auto second = create_task([&] { await(first); }, TaskOptions{.name = "fork"});
      await(second);
    });
    ADD_FAILURE() << "no DeadlockError";
  } catch (const DeadlockError& error) {
    const std::string text = error.what();
    for (const char* part :
         {"deadlock", "Task 'main' created at testing_test.cpp:", "waits on Task 'fork' created at testing_test.cpp:",
          "Task 'philosopher' created at", "waits on Future created at testing_test.cpp:"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in:\n" << text;
    }
  }
}

TEST_F(TestingTest, ADeadlockedProgramIsCancelledAndCleanedUp) {
  EXPECT_THROW(run_virtual([&] {
                 try {
                   await(get_running_loop().create_future<void>());
                 } catch (const CancelledError&) {
                   trace("cancelled");
                   throw;
                 }
               }),
               DeadlockError);
  EXPECT_EQ(events, (Trace{"cancelled"}));
}

TEST_F(TestingTest, AStopThatComesFirstIsAnError) {
  expect_usage_error(Reason::stopped_early, "Event loop stopped before Future completed", [] {
    run_virtual([] {
      get_running_loop().stop();
      sleep(1h);
    });
  });
}

TEST_F(TestingTest, RunVirtualInATaskIsRefused) {
  run([&] {
    expect_usage_error(Reason::loop_is_running, "while another loop is running", [] { run_virtual([] {}); });
    sleep(0s);
  });
}

}  // namespace
}  // namespace coir::test
