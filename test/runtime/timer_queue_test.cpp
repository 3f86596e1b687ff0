// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <algorithm>
#include <random>

namespace coir::test {
namespace {

class TimerQueueTest : public RuntimeTest {
 protected:
  /// Arms `count` timers an hour from now and cancels the first `cancelled` of them.
  std::vector<TimerHandle> arm(std::size_t count, std::size_t cancelled) {
    std::vector<TimerHandle> handles;
    for (std::size_t i = 0; i < count; ++i) {
      handles.push_back(loop().call_later(1h + std::chrono::seconds(count - i), [] {}));
    }
    for (std::size_t i = 0; i < cancelled; ++i) handles[i].cancel();
    return handles;
  }
  static void cancel_all(std::vector<TimerHandle>& handles) {
    for (TimerHandle& handle : handles) handle.cancel();
  }
  void one_turn() {
    loop().stop();
    loop().run_forever();
  }
};

// CPython: test_base_events.py, test_call_later_negative_delays.
TEST_F(TimerQueueTest, DeadlinesInThePastRunInTheirOrder) {  // L3
  loop().call_later(-1s, note("-1"));
  loop().call_later(-2s, note("-2"));
  loop().call_later(0s, note("0"));
  run_ready();
  EXPECT_EQ(events, (Trace{"-2", "-1", "0"}));
  EXPECT_EQ(elapsed_ms(), 0);
}

TEST_F(TimerQueueTest, EqualDeadlinesRunInOrderOfTheCalls) {  // L4; CPython leaves it open
  Trace expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back(std::to_string(i));
    loop().call_at(TimePoint{} + 5s, note(expected.back()));
  }
  run_ready();
  EXPECT_EQ(events, expected);
}

TEST_F(TimerQueueTest, EqualDeadlinesKeepTheirOrderAcrossASweep) {  // L4, L5
  auto gone = arm(60, 60);
  Trace expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back(std::to_string(i));
    loop().call_at(TimePoint{} + 5s, note(expected.back()));
  }
  one_turn();
  EXPECT_EQ(loop().stats().timers, 50U);
  run_ready();
  EXPECT_EQ(events, expected);
}

// L5. CPython: test_base_events.py, test__run_once_cancelled_event_cleanup.
TEST_F(TimerQueueTest, MoreThanAHundredOfWhichMostAreCancelledAreSwept) {
  auto handles = arm(101, 51);
  EXPECT_EQ(loop().stats().timers, 101U);
  EXPECT_EQ(loop().stats().cancelled_timers, 51U);
  one_turn();
  EXPECT_EQ(loop().stats().timers, 50U);
  EXPECT_EQ(loop().stats().cancelled_timers, 0U);
  cancel_all(handles);
}

// CPython: test_base_events.py, test__run_once_cancelled_event_cleanup.
TEST_F(TimerQueueTest, AHundredAreNotSwept) {  // L5
  auto handles = arm(100, 60);
  one_turn();
  EXPECT_EQ(loop().stats().timers, 100U);
  EXPECT_EQ(loop().stats().cancelled_timers, 60U);
  cancel_all(handles);
}

TEST_F(TimerQueueTest, HalfIsNotSwept) {  // L5
  auto handles = arm(102, 51);
  one_turn();
  EXPECT_EQ(loop().stats().timers, 102U);
  cancel_all(handles);
}

// CPython: test_base_events.py, test__run_once.
TEST_F(TimerQueueTest, CancelledOnesAtTheHeadGoInEveryTurn) {  // L5
  auto head = loop().call_later(1s, [] {});
  auto kept = loop().call_later(2s, [] {});
  head.cancel();
  EXPECT_EQ(loop().stats().timers, 2U);
  one_turn();
  EXPECT_EQ(loop().stats().timers, 1U);
  EXPECT_EQ(loop().stats().cancelled_timers, 0U);
  kept.cancel();
  one_turn();
  EXPECT_EQ(loop().stats().timers, 0U);
}

TEST_F(TimerQueueTest, AreSweptWhileTasksKeepTheLoopBusy) {  // L5
  run([&] {
    std::size_t most = 0;
    for (int i = 0; i < 1000; ++i) {
      loop().call_later(1h, [] {}).cancel();
      sleep(0s);  // this task is ready again at once: the loop never gets to its own stack
      most = std::max(most, loop().stats().timers);
    }
    EXPECT_LE(most, 102U);
  });
}

TEST_F(TimerQueueTest, ATimerCancelledByAnEarlierOneOfTheSameBatchDoesNotRun) {
  TimerHandle second;
  loop().call_later(1s, [&] { second.cancel(); });
  second = loop().call_later(1s, note("second"));
  run_ready();
  EXPECT_EQ(events, Trace{});
  EXPECT_EQ(loop().stats().cancelled_timers, 0U) << "it was not in the heap any more";
}

TEST_F(TimerQueueTest, RunInOrderOfTheirDeadlinesWhateverTheOrderOfTheCalls) {
  std::mt19937 random(12345);
  struct Armed {
    TimePoint when;
    int index;
  };
  std::vector<Armed> expected;
  std::vector<int> ran;
  std::vector<std::pair<TimerHandle, int>> handles;
  for (int i = 0; i < 1000; ++i) {
    const TimePoint when = TimePoint{} + std::chrono::milliseconds(random() % 200);
    handles.emplace_back(loop().call_at(when, [&ran, i] { ran.push_back(i); }), i);
    expected.push_back({when, i});
  }
  for (auto& [handle, index] : handles) {
    if (random() % 3 != 0) continue;
    handle.cancel();
    std::erase_if(expected, [index = index](const Armed& armed) { return armed.index == index; });
  }
  std::stable_sort(expected.begin(), expected.end(), [](const Armed& a, const Armed& b) { return a.when < b.when; });
  run_ready();
  std::vector<int> order;
  for (const Armed& armed : expected) order.push_back(armed.index);
  EXPECT_EQ(ran, order);
}

TEST_F(TimerQueueTest, TimersArmedByATimerWithAPassedDeadlineRunInTheNextTurn) {
  std::vector<std::uint64_t> turns;
  loop().call_later(1s, [&] {
    turns.push_back(loop().turns());
    loop().call_later(-1s, [&] { turns.push_back(loop().turns()); });
  });
  run_ready();
  ASSERT_EQ(turns.size(), 2U);
  EXPECT_EQ(turns[1], turns[0] + 1);
}

}  // namespace
}  // namespace coir::test
