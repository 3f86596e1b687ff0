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
