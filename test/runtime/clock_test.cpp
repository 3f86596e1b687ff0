// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <cmath>
#include <limits>

namespace coir::test {
namespace {

using Seconds = std::chrono::duration<double>;

TEST(ToDurationTest, RefusesNaN) {  // S2
  EXPECT_THROW(to_duration(Seconds(std::nan(""))), std::invalid_argument);
  EXPECT_THROW(to_duration(std::chrono::duration<float>(std::nanf(""))), std::invalid_argument);
}

TEST(ToDurationTest, IsExactForWholeUnits) {
  static_assert(to_duration(5ms) == Duration(5ms));
  static_assert(to_duration(-3h) == Duration(-3h));
  static_assert(to_duration(0s) == Duration::zero());
  EXPECT_EQ(to_duration(Seconds(0.25)), Duration(250ms));
}

// CPython: test_events.py, test_timeout_rounding.
TEST(ToDurationTest, RoundsFractionsUp) {  // no timer fires early
  using Nanoseconds = std::chrono::duration<double, std::nano>;
  EXPECT_EQ(to_duration(Nanoseconds(0.1)), Duration(1));
  EXPECT_EQ(to_duration(Nanoseconds(1.0)), Duration(1));
  EXPECT_EQ(to_duration(Nanoseconds(1.5)), Duration(2));
  EXPECT_EQ(to_duration(Nanoseconds(-1.5)), Duration(-1));
}

TEST(ToDurationTest, ClampsWhatDoesNotFitSoThatADeadlineCannotOverflow) {
  const Duration most = to_duration(Seconds(std::numeric_limits<double>::infinity()));
  EXPECT_GT(most, std::chrono::hours(24 * 365 * 100));
  EXPECT_EQ(to_duration(std::chrono::hours::max()), most);
  EXPECT_EQ(to_duration(std::chrono::hours::min()), -most);
  EXPECT_EQ(to_duration(Seconds(1e300)), most);
  EXPECT_EQ(to_duration(Seconds(-std::numeric_limits<double>::infinity())), -most);
  EXPECT_GT(std::chrono::steady_clock::now() + most, std::chrono::steady_clock::now());
}

class ClockTest : public RuntimeTest {};

TEST_F(ClockTest, TheLoopsTimeIsTheClocks) {
  EXPECT_EQ(loop().time(), TimePoint{});
  clock.advance(3s);
  EXPECT_EQ(loop().time(), TimePoint{} + 3s);
}

TEST_F(ClockTest, TheDefaultIsTheSteadyClock) {
  const EventLoop real;
  const TimePoint before = std::chrono::steady_clock::now();
  const TimePoint now = real.time();
  EXPECT_LE(before, now);
  EXPECT_LE(now, std::chrono::steady_clock::now());
  EXPECT_FALSE(steady_clock().is_virtual());
  EXPECT_FALSE(steady_clock().jump_to(TimePoint::max()));
}

TEST_F(ClockTest, ATimerOfNaNIsRefused) {  // S2
  EXPECT_THROW(loop().call_later(Seconds(std::nan("")), [] {}), std::invalid_argument);
  EXPECT_EQ(loop().stats().timers, 0U);
}

TEST_F(ClockTest, ATimerForEverMayBeArmedAndCancelled) {
  TimerHandle never = loop().call_later(Seconds(std::numeric_limits<double>::infinity()), note("never"));
  EXPECT_GT(never.when(), loop().time());
  loop().call_later(std::chrono::hours::min(), note("long due"));
  loop().stop();
  loop().run_forever();
  EXPECT_EQ(events, (Trace{"long due"}));
  never.cancel();
}

}  // namespace
}  // namespace coir::test
