// SPDX-License-Identifier: MIT
// Time as the loop sees it.
#pragma once

#include <chrono>
#include <cmath>
#include <ratio>
#include <stdexcept>
#include <type_traits>

#include <coir/detail/export.hpp>

namespace coir {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Where a loop takes its time from. Implementations are called on the loop's thread only.
class COIR_EXPORT Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock();
  virtual TimePoint now() = 0;
  /// Called by a loop with nothing to do before `deadline`. A clock that can move instead of waiting moves there and
  /// returns true; the loop then does not block. The real clock returns false.
  virtual bool jump_to(TimePoint deadline) = 0;
  /// Whether jump_to() works: such a loop can tell that it would block for ever (see testing.hpp).
  virtual bool is_virtual() const noexcept = 0;
};

/// std::chrono::steady_clock. One for the process.
COIR_EXPORT Clock& steady_clock() noexcept;

/// Any chrono duration as the loop's own. Fractions of a nanosecond are rounded up, what does not fit is clamped.
///
/// Errors    std::invalid_argument for NaN
template <class Rep, class Period>
constexpr Duration to_duration(std::chrono::duration<Rep, Period> duration) {
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    if (std::isnan(duration.count())) throw std::invalid_argument("a duration must be a number, not NaN");
  }
  // Half of the range, so that adding a deadline to a time point cannot overflow.
  constexpr Duration most(Duration::max() / 2);
  if constexpr (std::is_same_v<Rep, Duration::rep> && std::ratio_greater_equal_v<Period, Duration::period>) {
    // What callers mostly have, without floating point.
    constexpr auto limit = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(most);
    return duration > limit ? most : duration < -limit ? -most : Duration(duration);
  }
  using Wide = std::chrono::duration<long double, Duration::period>;
  const Wide wide = std::chrono::duration_cast<Wide>(duration);
  constexpr auto limit = Wide(most);
  if (wide >= limit) return std::chrono::duration_cast<Duration>(limit);
  if (wide <= -limit) return std::chrono::duration_cast<Duration>(-limit);
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    return std::chrono::ceil<Duration>(duration);
  } else {
    return std::chrono::duration_cast<Duration>(duration);
  }
}

}  // namespace coir
