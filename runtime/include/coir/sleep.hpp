// SPDX-License-Identifier: MIT
// Waiting for time to pass. asyncio.sleep.
#pragma once

#include <chrono>
#include <utility>

#include <coir/clock.hpp>
#include <coir/detail/export.hpp>

namespace coir {
namespace detail {
COIR_EXPORT void sleep_for(Duration duration);
}

/// Lets others run for `duration`, counted as EventLoop::call_later() counts; then returns `result`.
///
/// Suspends  Always. For zero or less exactly one turn, without a timer: the way to let everybody else run once.
/// Errors    std::invalid_argument for NaN; UsageError outside a task
/// Cancel    CancelledError at once; the timer is cancelled.
/// Cost      One allocation and O(log n) for the timer; none for zero.
/// Source    CPython 3.13 tasks.py sleep
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> duration) {
  detail::sleep_for(to_duration(duration));
}
template <class Rep, class Period, class T>
T sleep(std::chrono::duration<Rep, Period> duration, T result) {
  detail::sleep_for(to_duration(duration));
  return result;
}

}  // namespace coir
