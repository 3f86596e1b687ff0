// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <cmath>
#include <limits>

namespace coir::test {
namespace {

class SleepTest : public RuntimeTest {};

// CPython: test_tasks.py, test_sleep, test_sleep_zero.
TEST_F(SleepTest, ZeroAndLessTakeExactlyOneTurnAndNoTimer) {  // S1
  run([&] {
    for (const Duration duration : {Duration(0s), Duration(-1s)}) {
      EXPECT_EQ(turns_of([&] { sleep(duration); }), 1U);
      EXPECT_EQ(loop().stats().timers, 0U);
    }
    loop().call_soon(note("called meanwhile"));
    EXPECT_EQ(sleep(0s, std::string("passed through")), "passed through");
    EXPECT_EQ(events, (Trace{"called meanwhile"}));
    EXPECT_EQ(sleep(500ms, 7) + sleep(500ms, 8), 15);
    EXPECT_EQ(elapsed_ms(), 1000);
  });
}

TEST_F(SleepTest, TasksThatYieldInterleave) {  // S1
  run([&] {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(create_task([this, i] {
        for (int round = 0; round < 2; ++round) {
          trace(std::to_string(i));
          sleep(0s);
        }
      }));
    }
    for (auto& task : tasks) await(task);
  });
  EXPECT_EQ(events, (Trace{"0", "1", "2", "0", "1", "2"}));
}

// CPython: test_tasks.py, test_sleep_when_delay_is_nan.
TEST_F(SleepTest, RefusesNaN) {  // S2
  run([] {
    EXPECT_THROW(sleep(std::chrono::duration<double>(std::nan(""))), std::invalid_argument);
    EXPECT_THROW(sleep(std::chrono::duration<double>(std::nan("")), 1), std::invalid_argument);
  });
}

// CPython: test_tasks.py, test_sleep_cancel.
TEST_F(SleepTest, CancelledCancelsItsTimer) {  // S3
  run([&] {
    auto task = create_task([] { sleep(10s); });
    sleep(0s);
    EXPECT_EQ(loop().stats().timers, 1U);
    task.cancel();
    EXPECT_EQ(loop().stats().timers, 0U);
    EXPECT_THROW(await(task), CancelledError);
    EXPECT_EQ(elapsed_ms(), 0);
  });
}

// CPython: test_tasks.py, test_task_cancel_sleeping_task; test_futures.py, test_set_result_unless_cancelled.
TEST_F(SleepTest, ATimerThatFiresIntoACancelledSleepIsIgnored) {  // S3
  run([&] {
    Task<void> task;
    loop().call_later(1s, [&] { task.cancel("in the turn in which it is due"); });
    task = create_task([] { sleep(1s); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: in the turn in which it is due");
    EXPECT_EQ(loop().stats().timers, 0U);
  });
}

TEST_F(SleepTest, OrdersTasksByTheirDeadlines) {
  run([&] {
    const auto body = [this](Duration duration, const char* name) {
      return [this, duration, name] {
        sleep(duration);
        trace(name);
      };
    };
    auto slow = create_task(body(3s, "slow"));
    auto fast = create_task(body(1s, "fast"));
    auto middle = create_task(body(2s, "middle"));
    await(slow);
    EXPECT_TRUE(fast.done() && middle.done());
    EXPECT_EQ(elapsed_ms(), 3000);
  });
  EXPECT_EQ(events, (Trace{"fast", "middle", "slow"}));
}

TEST_F(SleepTest, ForEverMayBeCancelled) {
  run([&] {
    auto task = create_task([] { sleep(std::chrono::duration<double>(std::numeric_limits<double>::infinity())); });
    auto longest = create_task([] { sleep(std::chrono::hours::max()); });
    sleep(1s);
    EXPECT_FALSE(task.done() || longest.done());
    task.cancel();
    longest.cancel();
    EXPECT_THROW(await(task), CancelledError);
    EXPECT_THROW(await(longest), CancelledError);
  });
}

TEST_F(SleepTest, TakesDurationsOfAnyUnit) {
  run([&] {
    sleep(std::chrono::duration<double>(0.25));
    EXPECT_EQ(elapsed_ms(), 250);
    sleep(std::chrono::duration<float, std::milli>(0.0001F));  // less than the clock's tick still lets time pass
    EXPECT_EQ(clock.now() - TimePoint{}, 250ms + 100ns);
    sleep(1min);
    EXPECT_EQ(elapsed_ms(), 60250);
  });
}

}  // namespace
}  // namespace coir::test
