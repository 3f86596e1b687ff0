// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <algorithm>
#include <random>

namespace coir::test {
namespace {

class TimerQueueTest : public RuntimeTest {
 protected:
  static void cancel_all(std::vector<TimerHandle>& handles) {
    for (TimerHandle& handle : handles) handle.cancel();
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

TEST_F(TimerQueueTest, EqualDeadlinesKeepTheirOrderWhenOthersAreCancelled) {  // L4
  std::vector<TimerHandle> others;
  Trace expected;
  for (int i = 0; i < 50; ++i) {
    others.push_back(loop().call_at(TimePoint{} + 5s, [] {}));
    expected.push_back(std::to_string(i));
    loop().call_at(TimePoint{} + 5s, note(expected.back()));
  }
  cancel_all(others);
  run_ready();
  EXPECT_EQ(events, expected);
}

// asyncio sweeps cancelled timers when they are more than half of over a hundred, and those at the head in every turn.
// CPython: test_base_events.py, test__run_once, test__run_once_cancelled_event_cleanup.
TEST_F(TimerQueueTest, CancelledTimersLeaveAtOnce) {  // L5
  std::vector<TimerHandle> handles;
  for (int i = 0; i < 101; ++i) handles.push_back(loop().call_later(std::chrono::seconds(101 - i), [] {}));
  for (std::size_t i = 0; i < handles.size(); ++i) {
    handles[i].cancel();
    EXPECT_EQ(loop().stats().timers, handles.size() - 1 - i);
  }
}

TEST_F(TimerQueueTest, ACancelledTimerDropsItsCallableAtOnce) {
  auto token = std::make_shared<int>();
  TimerHandle handle = loop().call_later(1h, [token] {});
  EXPECT_EQ(token.use_count(), 2);
  handle.cancel();
  EXPECT_EQ(token.use_count(), 1);
  handle.cancel();
}

TEST_F(TimerQueueTest, ACallableThatOwnsItsOwnHandleMayBeCancelled) {
  struct Owner {
    TimerHandle handle;
  };
  auto owner = std::make_shared<Owner>();
  owner->handle = loop().call_later(1h, [owner] {});
  Owner& alive = *owner;
  owner.reset();
  alive.handle.cancel();  // destroys the callable, and with it this handle
  EXPECT_EQ(loop().stats().timers, 0U);
}

TEST_F(TimerQueueTest, ATimerCancelledByAnEarlierOneOfTheSameBatchDoesNotRun) {
  TimerHandle second;
  loop().call_later(1s, [&] { second.cancel(); });
  second = loop().call_later(1s, note("second"));
  run_ready();
  EXPECT_EQ(events, Trace{});
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

/// Timers come and go between turns in which some fire, so that entries are taken out everywhere in the heap.
TEST_F(TimerQueueTest, RunInOrderWhileOthersComeAndGo) {
  std::mt19937 random(54321);
  std::vector<TimerHandle> handles;
  std::vector<std::pair<TimePoint, int>> armed;  // as they should run, but for order
  std::vector<std::pair<TimePoint, int>> ran;
  for (int i = 0; i < 5000; ++i) {
    const TimePoint when = clock.now() + std::chrono::milliseconds(1 + random() % 300);
    handles.push_back(loop().call_at(when, [&ran, when, i] { ran.emplace_back(when, i); }));
    armed.emplace_back(when, i);
    const auto victim = random() % handles.size();
    const bool waits = std::find(ran.begin(), ran.end(), armed[victim]) == ran.end();
    if (random() % 2 == 0 && waits && !handles[victim].cancelled()) handles[victim].cancel();
    if (i % 50 == 0) {
      loop().run_until_complete([] { sleep(5ms); });
    }
  }
  run_ready();
  std::vector<std::pair<TimePoint, int>> expected;
  for (std::size_t i = 0; i < armed.size(); ++i) {
    if (!handles[i].cancelled()) expected.push_back(armed[i]);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(ran, expected);
}

/// Far more than are popped one by one; some of them with equal deadlines, some cancelled, some not due.
TEST_F(TimerQueueTest, ManyThatAreDueAtOnceRunInOrderAndLeaveTheOthers) {
  std::mt19937 random(2026);
  struct Armed {
    TimePoint when;
    int index;
  };
  for (const int later : {0, 500, 6000}) {  // none, few, most
    SCOPED_TRACE(later);
    std::vector<Armed> expected;
    std::vector<Armed> ran;
    std::vector<TimerHandle> handles;
    const TimePoint base = clock.now();
    for (int i = 0; i < 8000; ++i) {
      const auto delay = std::chrono::milliseconds(1 + (i < later ? 2000 : 0) + random() % 700);
      expected.push_back({base + delay, i});
      handles.push_back(loop().call_at(base + delay, [&, i] { ran.push_back({loop().time(), i}); }));
    }
    for (std::size_t i = 0; i < handles.size(); ++i) {
      if (random() % 5 == 0) handles[i].cancel();
    }
    std::erase_if(expected, [&](const Armed& armed) { return handles[static_cast<std::size_t>(armed.index)].cancelled(); });
    std::stable_sort(expected.begin(), expected.end(), [](const Armed& a, const Armed& b) { return a.when < b.when; });
    const auto indexes = [](const std::vector<Armed>& of) {
      std::vector<int> all;
      for (const Armed& armed : of) all.push_back(armed.index);
      return all;
    };
    clock.advance(1s);  // all but the later ones are due in one turn
    loop().run_until_complete([] { sleep(0s); });
    ASSERT_FALSE(ran.empty());
    EXPECT_EQ(ran.front().when, ran.back().when);
    EXPECT_EQ(ran.size(), std::count_if(expected.begin(), expected.end(),
                                        [&](const Armed& armed) { return armed.when <= base + 1s; }));
    EXPECT_EQ(loop().stats().timers, expected.size() - ran.size());
    for (std::size_t i = ran.size(); i < expected.size(); i += 3) {  // places in the heap that was made anew are right
      handles[static_cast<std::size_t>(expected[i].index)].cancel();
    }
    std::erase_if(expected, [&](const Armed& armed) { return handles[static_cast<std::size_t>(armed.index)].cancelled(); });
    run_ready();
    EXPECT_EQ(indexes(ran), indexes(expected));
  }
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
