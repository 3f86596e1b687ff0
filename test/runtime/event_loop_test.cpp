// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <memory>
#include <thread>

namespace coir::test {
namespace {

class EventLoopTest : public RuntimeTest {};

// CPython: test_base_events.py, test_call_soon, test__add_callback_handle.
TEST_F(EventLoopTest, CallSoonRunsInOrderOfCalls) {
  for (const char* name : {"a", "b", "c"}) loop().call_soon(note(name));
  EXPECT_EQ(events, Trace{}) << "P2: never from inside call_soon";
  run_ready();
  EXPECT_EQ(events, (Trace{"a", "b", "c"}));
}

TEST_F(EventLoopTest, TimersFoundDueRunBehindWhatIsReadyInTheSameTurn) {  // L1
  std::uint64_t turn_of_task = 0;
  std::uint64_t turn_of_timer = 0;
  run([&] {
    loop().call_soon(note("a"));
    loop().call_later(0s, [&] {
      trace("timer");
      turn_of_timer = loop().turns();
    });
    loop().call_soon(note("c"));
    sleep(0s);
    trace("task");
    turn_of_task = loop().turns();
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"a", "c", "task", "timer"}));
  EXPECT_EQ(turn_of_task, turn_of_timer);
}

TEST_F(EventLoopTest, ATimerArmedBeforeACallSoonRunsAfterIt) {  // L1
  loop().call_later(0s, note("timer"));
  loop().call_soon(note("soon"));
  run_ready();
  EXPECT_EQ(events, (Trace{"soon", "timer"}));
}

// CPython: test_base_events.py, test__run_once_schedule_handle.
TEST_F(EventLoopTest, WhatACallbackSchedulesRunsInTheNextTurn) {  // L2
  std::vector<std::uint64_t> turns(3);
  loop().call_soon([&] {
    turns[0] = loop().turns();
    loop().call_soon([&] { turns[2] = loop().turns(); });
  });
  loop().call_soon([&] { turns[1] = loop().turns(); });
  run_ready();
  EXPECT_EQ(turns[1], turns[0]);
  EXPECT_EQ(turns[2], turns[0] + 1);
}

TEST_F(EventLoopTest, KeyboardInterruptLeavesAtOnceAndKeepsTheRest) {  // L7
  loop().call_soon([&] {
    trace("a");
    loop().call_soon(note("d"));
  });
  loop().call_soon([] { throw KeyboardInterrupt("now"); });
  loop().call_soon(note("b"));
  loop().call_soon(note("c"));
  EXPECT_THROW(loop().run_forever(), KeyboardInterrupt);
  EXPECT_FALSE(loop().is_running());
  EXPECT_EQ(events, (Trace{"a"}));
  run_ready();
  EXPECT_EQ(events, (Trace{"a", "b", "c", "d"}));
}

TEST_F(EventLoopTest, SystemExitFromACallbackLeavesTheLoopAndTasksGoOnAtTheNextRun) {  // L7
  auto task = loop().create_task([&] {
    trace("begins");
    sleep(0s);
    trace("ends");
  });
  loop().call_soon([] { throw SystemExit("3"); });
  EXPECT_THROW(loop().run_forever(), SystemExit);
  EXPECT_EQ(events, (Trace{"begins"}));
  loop().run_until_complete(task);
  EXPECT_EQ(events, (Trace{"begins", "ends"}));
}

TEST_F(EventLoopTest, SystemExitOfATaskLeavesBetweenTwoReadyTasks) {  // L7
  auto first = loop().create_task(note("first"));
  auto exits = loop().create_task([] { throw SystemExit("3"); });
  auto last = loop().create_task(note("last"));
  EXPECT_THROW(loop().run_forever(), SystemExit);
  EXPECT_EQ(events, (Trace{"first"}));
  EXPECT_FALSE(current_task());
  EXPECT_EQ(describe(exits.exception()), "coir::SystemExit: 3");
  run_ready();
  EXPECT_EQ(events, (Trace{"first", "last"}));
}

// CPython: test_base_events.py, test_run_forever_pre_stopped.
TEST_F(EventLoopTest, StopBeforeRunForeverMeansExactlyOneTurn) {  // L8
  loop().stop();
  loop().call_soon([&] {
    trace("x");
    loop().call_soon(note("y"));
  });
  const std::uint64_t before = loop().turns();
  loop().run_forever();
  EXPECT_EQ(loop().turns() - before, 1U);
  EXPECT_EQ(events, (Trace{"x"}));
  loop().stop();
  loop().run_forever();
  EXPECT_EQ(events, (Trace{"x", "y"}));
}

// CPython: test_base_events.py, test_run_once.
TEST_F(EventLoopTest, StopFinishesTheTurn) {  // L8
  loop().call_soon([&] {
    loop().stop();
    loop().call_soon(note("next turn"));
  });
  loop().call_soon(note("same turn"));
  loop().run_forever();
  EXPECT_EQ(events, (Trace{"same turn"}));
  run_ready();
  EXPECT_EQ(events, (Trace{"same turn", "next turn"}));
}

TEST_F(EventLoopTest, StopInATaskEndsTheTurnEvenWhileTasksKeepEachOtherReady) {  // L8
  auto busy = loop().create_task([&] {
    for (int i = 0; i < 3; ++i) {
      trace("busy");
      sleep(0s);
    }
  });
  auto stops = loop().create_task([&] { loop().stop(); });
  loop().run_forever();
  EXPECT_EQ(events, (Trace{"busy"}));
  run_ready();
  EXPECT_TRUE(busy.done());
}

TEST_F(EventLoopTest, RunUntilCompleteOfADoneFutureRunsOneTurn) {  // L9
  auto done = loop().create_future<int>();
  done.set_result(7);
  loop().call_soon(note("before"));
  const std::uint64_t before = loop().turns();
  EXPECT_EQ(loop().run_until_complete(done), 7);
  EXPECT_EQ(loop().turns() - before, 1U);
  EXPECT_EQ(events, (Trace{"before"}));
}

// CPython: test_tasks.py, test_stop_while_run_in_complete.
TEST_F(EventLoopTest, StopDuringRunUntilCompleteLeavesTheFuturePending) {  // L10
  auto task = loop().create_task([&] {
    for (int i = 0; i < 3; ++i) {
      if (i == 1) loop().stop();
      sleep(1s);
    }
    return 3;
  });
  expect_usage_error(Reason::stopped_early, "Event loop stopped before Future completed",
                     [&] { loop().run_until_complete(task); });
  EXPECT_FALSE(task.done());
  EXPECT_EQ(loop().run_until_complete(task), 3);
}

TEST_F(EventLoopTest, RunUntilCompleteReturnsValuesAndThrowsFailures) {
  EXPECT_EQ(loop().run_until_complete([] { return 5; }), 5);
  EXPECT_EQ(*loop().run_until_complete([] { return std::make_unique<int>(6); }), 6);
  EXPECT_THROW(loop().run_until_complete([] { throw std::out_of_range("x"); }), std::out_of_range);
  auto future = loop().create_future<void>();
  future.cancel("no more");
  EXPECT_EQ(ending_of([&] { loop().run_until_complete(future); }), "CancelledError: no more");
}

// CPython: test_base_events.py, test_run_until_complete_baseexception,
// test_run_until_complete_loop_orphan_future_close_loop.
TEST_F(EventLoopTest, RunUntilCompleteTakesItsCallbackBack) {
  auto future = loop().create_future<void>();
  loop().call_soon([] { throw KeyboardInterrupt("now"); });
  EXPECT_THROW(loop().run_until_complete(future), KeyboardInterrupt);
  future.set_result();  // stops nothing any more
  loop().call_later(1s, note("later"));
  EXPECT_TRUE(run_until_stalled(loop()));
  EXPECT_EQ(events, (Trace{"later"}));
  EXPECT_THROW(loop().run_until_complete([] { throw KeyboardInterrupt("of the task"); }), KeyboardInterrupt);
  loop().call_soon([this] {
    loop().call_soon([this] {
      trace("a turn later");
      loop().stop();
    });
  });
  loop().run_forever();  // would end a turn earlier if a stop() of the task's were still scheduled
  EXPECT_EQ(events, (Trace{"later", "a turn later"}));
}

TEST_F(EventLoopTest, AFutureMayOutliveItsLoop) {
  Future<int> kept;
  Future<int> failed;
  {
    EventLoop short_lived(LoopOptions{.clock = &clock});
    kept = short_lived.create_future<int>();
    failed = short_lived.create_future<int>();
    failed.set_exception(std::out_of_range("x"));
    EXPECT_THROW(short_lived.run_until_complete([] { throw std::runtime_error("y"); }), std::runtime_error);
    short_lived.close();
  }
  kept.set_result(1);
  EXPECT_EQ(kept.result(), 1);
  EXPECT_THROW(failed.result(), std::out_of_range);
}

TEST_F(EventLoopTest, ReplacesNothingWhenItRunsAgain) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(loop().run_until_complete([i] { return i; }), i);
  EXPECT_FALSE(loop().is_running());
}

TEST_F(EventLoopTest, CloseDropsWhatIsScheduledWithoutRunningIt) {  // L13
  auto alive = std::make_shared<int>();
  loop().call_soon([this, alive] { trace("soon"); });
  loop().call_later(1s, [this, alive] { trace("later"); });
  loop().call_soon_threadsafe([this, alive] { trace("posted"); });
  EXPECT_EQ(alive.use_count(), 4);
  loop().close();
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_TRUE(loop().is_closed());
  loop().close();
  EXPECT_EQ(events, Trace{});
}

TEST_F(EventLoopTest, IsTheRunningLoopInCallbacksAndTasksAndNowhereElse) {
  EXPECT_THROW(get_running_loop(), UsageError);
  loop().call_soon([&] { EXPECT_EQ(&get_running_loop(), &loop()); });
  run([&] {
    EXPECT_EQ(&get_running_loop(), &loop());
    EXPECT_TRUE(loop().is_running());
  });
  EXPECT_THROW(get_running_loop(), UsageError);
}

TEST_F(EventLoopTest, GetEventLoopPrefersTheRunningLoopToTheOneThatWasSet) {
  EXPECT_THROW(get_event_loop(), UsageError);
  {
    const std::unique_ptr<EventLoop> other = new_event_loop();
    set_event_loop(other.get());
    EXPECT_EQ(&get_event_loop(), other.get());
    run([&] { EXPECT_EQ(&get_event_loop(), &loop()); });
    std::thread([] { EXPECT_THROW(get_event_loop(), UsageError) << "set for one thread only"; }).join();
  }
  EXPECT_THROW(get_event_loop(), UsageError) << "a destroyed loop unsets itself";
}

TEST_F(EventLoopTest, CountsTurnsTasksAndTimers) {
  run([&] {
    auto handle = loop().call_later(1h, [] {});
    auto task = create_task([] { sleep(1s); });
    sleep(0s);
    const LoopStats stats = loop().stats();
    EXPECT_EQ(stats.turns, loop().turns());
    EXPECT_EQ(stats.tasks, 2U);
    EXPECT_EQ(stats.timers, 2U);
    EXPECT_EQ(stats.fibers.leased, 2U);
    handle.cancel();
    EXPECT_EQ(loop().stats().timers, 1U);
    await(task);
  });
}

// CPython: test_base_events.py, test_env_var_debug; test_tasks.py, test_env_var_debug.
TEST_F(EventLoopTest, DebugModeComesFromTheEnvironment) {
  EXPECT_FALSE(EventLoop().get_debug());
  ::setenv("COIR_DEBUG", "1", 1);
  EXPECT_TRUE(EventLoop().get_debug());
  ::setenv("COIR_DEBUG", "0", 1);
  EXPECT_FALSE(EventLoop().get_debug());
  ::unsetenv("COIR_DEBUG");
}

// CPython: test_base_events.py, test_set_debug.
TEST_F(EventLoopTest, DebugModeIsSwitchedOnAndOff) {
  loop().set_debug(true);
  EXPECT_TRUE(loop().get_debug());
  loop().set_debug(false);
  EXPECT_FALSE(loop().get_debug());
}

}  // namespace
}  // namespace coir::test
