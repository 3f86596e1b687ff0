// SPDX-License-Identifier: MIT
// A deadline for a stretch of code. asyncio.timeout, asyncio.timeout_at, asyncio.Timeout.
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <coir/await.hpp>
#include <coir/clock.hpp>
#include <coir/errors.hpp>

namespace coir {

class Timeout;
namespace detail {
/// `deadline`: a Duration from now on, or a moment, or none.
template <class Deadline, class F>
decltype(auto) run_with_timeout(Deadline deadline, F&& fn);
}

/// The deadline of one timeout() block, inside of it.
///
///     entered --deadline--> expiring --block left--> expired
///             --block left--> exited
///
/// At the deadline the task is cancelled, once. If that CancelledError gets out of the block, and nobody else has
/// cancelled the task, it leaves as TimeoutError; a block that swallows it, or ends otherwise, keeps its own ending.
/// Source    CPython 3.13 timeouts.py Timeout
class COIR_EXPORT Timeout {
 public:
  Timeout(const Timeout&) = delete;
  Timeout& operator=(const Timeout&) = delete;

  /// The deadline; none: never.
  std::optional<TimePoint> when() const noexcept { return delayed_ ? std::optional(delayed_.when()) : when_; }
  /// Moves the deadline; one that has passed expires in the next turn, none disarms.
  /// Errors    InvalidStateError once it is expiring: there is no way back
  void reschedule(std::optional<TimePoint> when);
  /// Whether the deadline was met by cancelling the task.
  bool expired() const noexcept { return state_ == State::expiring || state_ == State::expired; }

 private:
  enum class State { entered, expiring, expired, exited };
  template <class Deadline, class F>
  friend decltype(auto) detail::run_with_timeout(Deadline deadline, F&& fn);

  explicit Timeout(std::optional<TimePoint> when);
  explicit Timeout(Duration delay);
  ~Timeout();
  /// Leaves the block. True: a CancelledError that is leaving it is this deadline's.
  bool leave() noexcept;
  void on_deadline();
  void disarm();

  AnyTask task_;
  std::optional<TimePoint> when_;  // unless `delayed_` knows
  TimerHandle delayed_;            // of on_deadline, if it was set by a delay: nobody reads the clock until somebody asks
  Handle handle_;                  // of on_deadline otherwise; empty when disarmed
  int cancelling_at_entry_;
  State state_ = State::entered;
};

namespace detail {

template <class Deadline, class F>
decltype(auto) run_with_timeout(Deadline deadline, F&& fn) {
  Timeout scope(deadline);
  const auto call = [&]() -> decltype(auto) {
    if constexpr (std::is_invocable_v<F, Timeout&>) {
      return std::invoke(std::forward<F>(fn), scope);
    } else {
      return std::invoke(std::forward<F>(fn));
    }
  };
  try {
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      scope.leave();
    } else {
      using Result = decltype(call());
      Result result = call();
      scope.leave();
      if constexpr (std::is_reference_v<Result>) {
        return static_cast<Result>(result);
      } else {
        return result;
      }
    }
  } catch (const CancelledError&) {
    if (scope.leave()) throw TimeoutError();
    throw;
  } catch (...) {
    scope.leave();
    throw;
  }
}

}  // namespace detail

/// Runs fn() or fn(Timeout&) in this task and returns its result, but not beyond the deadline: `delay` from now, counted
/// as EventLoop::call_later() counts.
///
/// Suspends  As fn does. A deadline that has passed takes effect at the first await that suspends.
/// Errors    TimeoutError, after fn has been left: clean-up in fn may overrun. What fn throws. UsageError outside a task;
///           std::invalid_argument for NaN.
/// Cancel    A cancel() of the task by others during the block leaves as CancelledError even if the deadline passed.
/// Cost      One allocation for the timer; if fn does not suspend, nothing more.
/// Source    CPython 3.13 timeouts.py timeout, timeout_at. The block is a callable, because a destructor cannot turn a
///           CancelledError into a TimeoutError.
template <class Rep, class Period, class F>
decltype(auto) timeout(std::chrono::duration<Rep, Period> delay, F&& fn) {
  detail::require_task("timeout()");
  return detail::run_with_timeout(to_duration(delay), std::forward<F>(fn));
}
template <class F>
decltype(auto) timeout_at(std::optional<TimePoint> when, F&& fn) {
  detail::require_task("timeout_at()");
  return detail::run_with_timeout(when, std::forward<F>(fn));
}

}  // namespace coir
