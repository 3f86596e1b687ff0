// SPDX-License-Identifier: MIT
#include "combinators_test.hpp"

#include <deque>
#include <limits>
#include <memory>
#include <type_traits>

namespace coir::test {
namespace {

class WaitForTest : public CombinatorTest {};

static_assert(std::is_same_v<decltype(wait_for(std::declval<Task<int>&>(), 1s)), int>);
static_assert(std::is_same_v<decltype(wait_for([] {}, 1s)), void>);

/// Takes that long whatever cancels it, as SlowTask in CPython's test_waitfor.py.
struct SlowTask {
  static constexpr auto duration = 200ms;
  bool exited = false;
  void run() {
    const TimePoint end = get_running_loop().time() + duration;
    while (get_running_loop().time() < end) {
      try {
        sleep(end - get_running_loop().time());
      } catch (const CancelledError&) {
      }
    }
    exited = true;
  }
};

// CPython: test_waitfor.py, test_asyncio_wait_for_cancelled.
TEST_F(WaitForTest, CancelledItStillLeavesTheCallableRunToItsEnd) {
  run([&] {
    SlowTask slow;
    auto waiting = create_task([&] { wait_for([&] { slow.run(); }, slow.duration * 2); });
    sleep(0ms);
    waiting.cancel();
    wait(std::vector{waiting});
    EXPECT_TRUE(slow.exited);
    EXPECT_FALSE(waiting.cancelled());
  });
}

// CPython: test_waitfor.py, test_asyncio_wait_for_timeout.
TEST_F(WaitForTest, ACallableThatIgnoresTheDeadlineOverrunsItAndCounts) {
  run([&] {
    SlowTask slow;
    EXPECT_EQ(ending_of([&] { wait_for([&] { slow.run(); }, slow.duration / 2); }), "returned");
    EXPECT_TRUE(slow.exited);
    EXPECT_EQ(elapsed_ms(), 200);
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

// W1. CPython: test_waitfor.py, test_wait_for_timeout_less_then_0_or_0_future_done.
TEST_F(WaitForTest, ADoneFutureNeedsNoTime) {
  run([&] {
    for (const Duration delay : {Duration(0ms), Duration(-1s), Duration(1s)}) {
      EXPECT_EQ(wait_for(done_future(std::string("done")), delay), "done");
      EXPECT_EQ(ending_of([&] { wait_for(failed_future("failed"), delay); }), "Boom: failed");
      const auto cancelled = future<int>();
      cancelled.cancel("before");
      EXPECT_EQ(ending_of([&] { wait_for(cancelled, delay); }), "CancelledError: before");
    }
    EXPECT_EQ(elapsed_ms(), 0);
  });
}

// W1. CPython: test_waitfor.py, test_wait_for_timeout_less_then_0_or_0_coroutine_do_not_started.
TEST_F(WaitForTest, WithNoTimeACallableNeverStarts) {
  run([&] {
    EXPECT_EQ(ending_of([&] { wait_for([&] { trace("started"); }, 0ms); }), "TimeoutError");
    EXPECT_EQ(ending_of([&] { wait_for([&] { trace("started"); }, -1s); }), "TimeoutError");
  });
  EXPECT_EQ(events, Trace{});
}

// W1. CPython: test_waitfor.py, test_wait_for_timeout_less_then_0_or_0.
TEST_F(WaitForTest, WithNoTimeARunningTaskIsCancelledAndAwaited) {
  for (const Duration delay : {Duration(0ms), Duration(-1s)}) {
    run([&] {
      bool running = false;
      const auto started = future<void>();
      auto task = create_task([&] {
        running = true;
        started.set_result();
        try {
          sleep(10s);
        } catch (...) {
          running = false;
          throw;
        }
      });
      await(started);
      EXPECT_EQ(ending_of([&] { wait_for(task, delay); }), "TimeoutError");
      EXPECT_TRUE(task.cancelled());
      EXPECT_FALSE(running);
    });
  }
}

// CPython: test_waitfor.py, test_wait_for.
TEST_F(WaitForTest, AtTheDeadlineTheTaskIsCancelled) {
  run([&] {
    auto task = create_task(worker("task", 1h));
    mark(ending_of([&] { wait_for(task, 100ms); }));
    EXPECT_TRUE(task.cancelled());
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"100 task cancelled", "100 TimeoutError"}));
}

// CPython: test_waitfor.py, test_wait_for_race_condition.
TEST_F(WaitForTest, AFutureSetInTimeGivesItsResult) {
  run([&] {
    const auto answer = future<std::string>();
    loop().call_soon([&] { answer.set_result("ok"); });
    EXPECT_EQ(wait_for(answer, 200ms), "ok");
  });
  EXPECT_EQ(elapsed_ms(), 0);
}

// W5. CPython: test_waitfor.py, test_wait_for_cancellation_race_condition, test_wait_for_cancel_suppressed.
TEST_F(WaitForTest, AValueReturnedInSpiteOfTheCancellationCounts) {
  run([&] {
    const auto swallows = [] {
      try {
        sleep(10s);
      } catch (const CancelledError&) {
      }
      return 42;
    };
    EXPECT_EQ(wait_for(swallows, 100ms), 42);
    EXPECT_EQ(wait_for(create_task(swallows), 100ms), 42);
    auto task = create_task(swallows);
    sleep(0ms);
    EXPECT_EQ(wait_for(task, 0ms), 42);
    EXPECT_EQ(elapsed_ms(), 200);
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

// W6. CPython: test_waitfor.py, test_wait_for_waits_for_task_cancellation.
TEST_F(WaitForTest, WaitsForTheCleanUpOfTheCancelledTask) {
  const auto inner = [&] {
    try {
      sleep(10s);
    } catch (const CancelledError&) {
      sleep(3s);
      mark("cleaned up");
      throw;
    }
  };
  run([&] {
    mark(ending_of([&] { wait_for(create_task(inner), 1s); }));
    mark(ending_of([&] { wait_for(inner, 1s); }));
  });
  EXPECT_EQ(events, (Trace{"4000 cleaned up", "4000 TimeoutError", "8000 cleaned up", "8000 TimeoutError"}));
}

// CPython: test_waitfor.py, test_wait_for_waits_for_task_cancellation_w_timeout_0.
TEST_F(WaitForTest, WaitsForTheCleanUpWithNoTimeToo) {
  run([&] {
    auto task = create_task([&] {
      try {
        sleep(10s);
      } catch (const CancelledError&) {
        sleep(1ms);
        mark("cleaned up");
        throw;
      }
    });
    sleep(1ms);
    mark(ending_of([&] { wait_for(task, 0ms); }));
  });
  EXPECT_EQ(events, (Trace{"2 cleaned up", "2 TimeoutError"}));
}

// W6. CPython: test_waitfor.py, test_wait_for_reraises_exception_during_cancellation.
TEST_F(WaitForTest, AFailureOfTheCleanUpIsThrown) {
  const auto inner = [] {
    try {
      sleep(200ms);
    } catch (const CancelledError&) {
      throw Boom("clean-up");
    }
  };
  run([&] {
    EXPECT_EQ(ending_of([&] { wait_for(create_task(inner), 1ms); }), "Boom: clean-up");
    EXPECT_EQ(ending_of([&] { wait_for(inner, 1ms); }), "Boom: clean-up");
    auto task = create_task(inner);
    sleep(0ms);
    EXPECT_EQ(ending_of([&] { wait_for(task, 0ms); }), "Boom: clean-up");
  });
}

// CPython: test_waitfor.py, test_cancel_wait_for (bpo-23219).
TEST_F(WaitForTest, CancellingItCancelsTheTask) {
  run([&] {
    const auto never = future<void>();
    auto task = create_task([&] { await(never); });
    auto waiting = create_task([&] { wait_for(task, 60s); });
    loop().call_soon([&] { waiting.cancel("both"); });
    EXPECT_EQ(ending_of([&] { await(waiting); }), "CancelledError: both");
    EXPECT_TRUE(task.cancelled());
  });
  EXPECT_EQ(elapsed_ms(), 0);
}

// CPython: test_waitfor.py, test_wait_for_blocking, test_none_timeout, test_cancel_blocking_wait_for.
TEST_F(WaitForTest, TheLongestTimeIsNoDeadline) {
  constexpr auto for_ever = std::chrono::hours::max();
  run([&] {
    EXPECT_EQ(wait_for([] { return std::string("done"); }, for_ever), "done");
    auto task = create_task(worker("task", 100ms, 1));
    EXPECT_EQ(wait_for(shield(task), for_ever), 1);
    EXPECT_TRUE(task.done());
    auto blocked = create_task([this] { await(future<void>()); });
    auto waiting = create_task([&] { wait_for(blocked, for_ever); });
    loop().call_soon([&] { waiting.cancel(); });
    EXPECT_EQ(ending_of([&] { await(waiting); }), "CancelledError");
    EXPECT_TRUE(blocked.cancelled());
  });
  EXPECT_EQ(events, Trace{"100 task done"});
}

// W3. CPython: test_waitfor.py, test_wait_for_issue86296.
TEST_F(WaitForTest, CancelledInTheTurnInWhichTheTaskFinishedItIsCancelled) {
  run([&] {
    auto inner = create_task([] { return std::string("done"); });
    bool reached_end = false;
    auto waiting = create_task([&] {
      wait_for(inner, 100s);
      sleep(1s);
      reached_end = true;
    });
    sleep(0ms);
    waiting.cancel();
    EXPECT_EQ(ending_of([&] { await(waiting); }), "CancelledError");
    EXPECT_EQ(await(inner), "done");
    EXPECT_FALSE(reached_end);
  });
}

TEST_F(WaitForTest, CancelledWhileItWaitsForACancelledTaskItLeaves) {
  run([&] {
    auto task = stubborn(1s);
    sleep(0ms);
    auto waiting = create_task([&] { wait_for(task, 0ms); });
    sleep(500ms);
    waiting.cancel();
    mark(ending_of([&] { await(waiting); }));
    EXPECT_EQ(task.cancelling(), 1);  // not a second time
    EXPECT_EQ(await(task), 7);
  });
  EXPECT_EQ(events, (Trace{"0 clean-up", "500 CancelledError", "1000 cleaned up"}));
}

// CPython: test_waitfor.py, test_zero_timeout.
TEST_F(WaitForTest, AShieldWithNoTimeIsCancelledAtOnceAndItsTaskRunsOn) {
  run([&] {
    auto task = create_task(worker("task", 10ms));
    const auto shielded = shield(task);
    EXPECT_EQ(ending_of([&] { wait_for(shielded, 0ms); }), "TimeoutError");
    EXPECT_FALSE(task.done());
    EXPECT_TRUE(shielded.cancelled());
    sleep(100ms);
    EXPECT_TRUE(task.done());
  });
  EXPECT_EQ(events, Trace{"10 task done"});
}

// CPython: test_waitfor.py, test_shielded_timeout.
TEST_F(WaitForTest, AShieldedTaskSurvivesTheDeadline) {
  run([&] {
    auto task = create_task(worker("task", 100ms, 1));
    EXPECT_EQ(ending_of([&] { wait_for(shield(task), 10ms); }), "TimeoutError");
    EXPECT_FALSE(task.done());
    EXPECT_EQ(await(task), 1);
  });
}

// W2.
TEST_F(WaitForTest, ACallableRunsInTheCallersOwnTask) {
  run([&] {
    const AnyTask caller = current_task();
    EXPECT_EQ(wait_for([] { return current_task(); }, 1s), caller);
    EXPECT_EQ(all_tasks().size(), 1U);
  });
}

// W4.
TEST_F(WaitForTest, AResultInTheTurnOfTheDeadlineIsLostToTheDeadline) {
  run([&] {
    const auto answer = future<int>();
    loop().call_later(10ms, [&] { answer.set_result(1); });  // before the deadline, in the same turn
    EXPECT_EQ(ending_of([&] { wait_for(answer, 10ms); }), "TimeoutError");
    EXPECT_EQ(answer.result(), 1);
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

// W4: a hand-off whose receiver gives up in the turn of the deadline loses nothing if it takes only when resumed.
TEST_F(WaitForTest, AnItemOfAQueueStaysThereIfTheDeadlineWins) {
  run([&] {
    std::deque<int> items;
    Future<void> getter;
    const auto get = [&] {
      while (items.empty()) {
        getter = future<void>();
        await(getter);
      }
      const int item = items.front();
      items.pop_front();
      return item;
    };
    loop().call_later(10ms, [&] {
      items.push_back(1);
      getter.set_result();
    });
    EXPECT_EQ(ending_of([&] { wait_for(get, 10ms); }), "TimeoutError");
    EXPECT_EQ(items.size(), 1U);
  });
}

// W7.
TEST_F(WaitForTest, CancelledInTheTurnOfTheDeadlineItIsCancelled) {
  for (const bool deadline_first : {true, false}) {
    run([&] {
      auto waiting = create_task([&] { wait_for([] { sleep(1h); }, 10ms); });
      if (deadline_first) sleep(0ms);
      loop().call_later(10ms, [&] { waiting.cancel("by others"); });
      wait(std::vector{waiting});
      EXPECT_TRUE(waiting.cancelled());
      EXPECT_EQ(waiting.cancelling(), 1);
    });
  }
}

TEST_F(WaitForTest, ResultsMayBeMoveOnlyOrReferences) {
  run([&] {
    for (const Duration delay : {Duration(1s), Duration(0ms)}) {
      auto task = create_task([] { return std::make_unique<int>(1); });
      sleep(0ms);
      EXPECT_EQ(*wait_for(std::move(task), delay), 1);
    }
    EXPECT_EQ(*wait_for([] { return std::make_unique<int>(2); }, 1s), 2);
    EXPECT_EQ(*wait_for([held = std::make_unique<int>(3)]() mutable { return std::move(held); }, 1s), 3);
    int value = 4;
    EXPECT_EQ(&wait_for([&]() -> int& { return value; }, 1s), &value);
    int copies = 0;
    static_cast<void>(wait_for([&] { return Counted(copies); }, 1s));
    EXPECT_EQ(copies, 0);
  });
}

TEST_F(WaitForTest, AnExpiredWaitLeavesNothingBehind) {
  run([&] {
    const auto longest = future<int>();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ending_of([&] { wait_for(shield(longest), 1ms); }), "TimeoutError");
    EXPECT_EQ(loop().stats().timers, 0U);
    EXPECT_EQ(longest.state().references(), 1U);
  });
}

// A cancelled gather fails with CancelledError, it is not cancelled() (G4).
TEST_F(WaitForTest, AZeroDelayCancelsAGatherIntoATimeoutError) {
  run([&] {
    const auto pending = future<int>();
    EXPECT_EQ(ending_of([&] { wait_for(gather(pending), 0s); }), "TimeoutError");
    EXPECT_TRUE(pending.cancelled());
  });
}

TEST_F(WaitForTest, NeedsATaskAndADuration) {
  EXPECT_THROW(wait_for(done_future(1), 1s), UsageError);
  EXPECT_THROW(wait_for([] {}, 0s), UsageError);
  run([&] {
    const std::chrono::duration<double> nan(std::numeric_limits<double>::quiet_NaN());
    EXPECT_THROW(wait_for([] {}, nan), std::invalid_argument);
    EXPECT_EQ(wait_for([] { return 1; }, std::chrono::hours::max()), 1);
  });
}

}  // namespace
}  // namespace coir::test
