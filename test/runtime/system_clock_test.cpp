// SPDX-License-Identifier: MIT
// The few tests that wait for real time to pass.
#include "runtime_test.hpp"

#include <sys/resource.h>

namespace coir::test {
namespace {

class SystemClockTest : public RuntimeTest {};

TEST_F(SystemClockTest, ASleepLastsAtLeastAsLongAsAsked) {
  coir::run([] {
    for (const Duration duration : {Duration(5ms), Duration(300us)}) {
      const auto begun = std::chrono::steady_clock::now();
      sleep(duration);
      EXPECT_GE(std::chrono::steady_clock::now() - begun, duration);
    }
  });
}

// CPython: test_base_events.py, test_time_and_call_at.
TEST_F(SystemClockTest, TimersFireInOrderAndNotEarly) {
  Trace order;
  coir::run([&] {
    EventLoop& loop = get_running_loop();
    const TimePoint begun = loop.time();
    const auto note_at = [&](Duration delay, const char* name) {
      loop.call_later(delay, [&, delay, name] {
        EXPECT_GE(loop.time() - begun, delay);
        order.push_back(name);
      });
    };
    note_at(6ms, "6");
    note_at(2ms, "2");
    note_at(4ms, "4");
    sleep(8ms);
  });
  EXPECT_EQ(order, (Trace{"2", "4", "6"}));
}

class UnsettledTimerTest : public RuntimeTest {
 protected:
  /// Runs fn() as a task of a loop on the real clock.
  template <class F>
  static void on_real_clock(F&& fn) {
    coir::run([&] { fn(get_running_loop()); });
  }
};

TEST_F(UnsettledTimerTest, WhenIsTheDelayCountedFromAMomentBehindTheCall) {
  on_real_clock([](EventLoop& loop) {
    const TimePoint before = std::chrono::steady_clock::now();
    TimerHandle timer = loop.call_later(1h, [] {});
    const TimePoint when = timer.when();
    EXPECT_GE(when, before + 1h);
    EXPECT_LE(when, std::chrono::steady_clock::now() + 1h);
    EXPECT_EQ(timer.when(), when);
    sleep(0s);
    EXPECT_EQ(timer.when(), when);
    timer.cancel();
    EXPECT_EQ(timer.when(), when);
  });
}

TEST_F(UnsettledTimerTest, CountsFromTheNextTurnAtTheLatest) {
  on_real_clock([](EventLoop& loop) {
    TimerHandle timer = loop.call_later(1h, [] {});
    sleep(0s);
    const TimePoint next_turn = std::chrono::steady_clock::now();
    EXPECT_LE(timer.when(), next_turn + 1h);
    timer.cancel();
  });
}

TEST_F(UnsettledTimerTest, ReadingTheLoopsTimeSettlesWhatWasSetBefore) {
  on_real_clock([](EventLoop& loop) {
    TimerHandle timer = loop.call_later(1h, [] {});
    const TimePoint now = loop.time();
    EXPECT_EQ(timer.when(), now + 1h);
    timer.cancel();
  });
}

TEST_F(UnsettledTimerTest, OneThatIsCancelledAtOnceIsGoneAndStillSaysWhen) {
  on_real_clock([](EventLoop& loop) {
    const auto token = std::make_shared<int>();
    const TimePoint before = std::chrono::steady_clock::now();
    TimerHandle first = loop.call_later(1h, [token] {});
    TimerHandle second = loop.call_later(1h, [token] {});
    TimerHandle third = loop.call_later(1h, [token] {});
    EXPECT_EQ(loop.stats().timers, 3U);
    second.cancel();
    EXPECT_EQ(token.use_count(), 3);
    third.cancel();
    first.cancel();
    EXPECT_EQ(token.use_count(), 1);
    EXPECT_EQ(loop.stats().timers, 0U);
    EXPECT_GE(second.when(), before + 1h);
  });
}

TEST_F(UnsettledTimerTest, EqualDelaysOfOneTurnRunInOrderOfTheCallsBesideAbsoluteDeadlines) {
  on_real_clock([this](EventLoop& loop) {
    Trace expected;
    const auto add = [&](auto&& arm) {
      expected.push_back(std::to_string(expected.size()));
      arm(note(expected.back()));
    };
    for (int i = 0; i < 100; ++i) {
      add([&](auto fn) { loop.call_later(0s, std::move(fn)); });
      if (i % 10 == 0) add([&](auto fn) { loop.call_at(loop.time(), std::move(fn)); });
    }
    for (int i = 0; i < 300; ++i) add([&](auto fn) { loop.call_later(0s, std::move(fn)); });  // settled in several parts
    sleep(1ms);
    EXPECT_EQ(events, expected);
  });
}

TEST_F(UnsettledTimerTest, AZeroOrNegativeDelayIsDueInTheNextTurn) {
  on_real_clock([this](EventLoop& loop) {
    for (int i = 0; i < 1000; ++i) loop.call_later(0s, note("0"));
    loop.call_later(-1s, note("-1"));
    loop.call_later(-2s, note("-2"));
    sleep(0s);
    sleep(0s);
    ASSERT_EQ(events.size(), 1002U);
    EXPECT_EQ(events[0], "-2");
    EXPECT_EQ(events[1], "-1");
  });
}

TEST_F(UnsettledTimerTest, ALoopThatClosesDropsTheirCallables) {
  const auto token = std::make_shared<int>();
  TimerHandle timer;
  {
    EventLoop loop;
    timer = loop.call_later(1h, [token] {});
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_GE(timer.when(), std::chrono::steady_clock::now());
}

TEST_F(SystemClockTest, IdleIsOneBlockingCallWithoutWakeUps) {  // P9, L14
  coir::run([] {
    const auto switches = [] {
      struct rusage usage {};
      ::getrusage(RUSAGE_THREAD, &usage);
      return usage.ru_nvcsw;
    };
    const std::uint64_t turns = get_running_loop().turns();
    const long before = switches();
    sleep(300ms);
    EXPECT_LE(switches() - before, 3);
    EXPECT_LE(get_running_loop().turns() - turns, 3U);
  });
}

}  // namespace
}  // namespace coir::test
