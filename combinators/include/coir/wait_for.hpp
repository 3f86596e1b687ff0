// SPDX-License-Identifier: MIT
// An await with a deadline. asyncio.wait_for.
#pragma once

#include <utility>

#include <coir/timeout.hpp>

namespace coir {
namespace detail {
/// Cancels the future and waits until it is done, whatever comes of it.
COIR_EXPORT void cancel_and_wait(const AnyFuture& future);
}  // namespace detail

/// Awaits `awaitable`, at most for `delay`, and returns its result.
///
/// Shape     A Future or Task, or a callable, which runs in this very task.
/// Suspends  As the awaitable does. A delay of zero or less: a done future gives its result at once; anything else is
///           cancelled, a callable never starts, and the wait is for the end of the cancelled task.
/// Errors    TimeoutError when the deadline passed and the awaitable has ended: its clean-up may overrun. If it swallows
///           the cancellation and returns, its value is returned; if it fails instead, that failure is thrown. A result
///           that becomes ready in the turn of the deadline is lost to TimeoutError. Otherwise as await().
/// Cancel    Cancels the awaitable, also if its result became ready in the same turn: shield() what must not be.
/// Source    CPython 3.13 tasks.py wait_for
template <class A, class Rep, class Period>
detail::AwaitResult<A> wait_for(A&& awaitable, std::chrono::duration<Rep, Period> delay) {
  using T = detail::AwaitResult<A>;
  detail::require_task("wait_for()");
  const Duration limit = to_duration(delay);
  if (limit > Duration::zero()) {
    return timeout(limit, [&]() -> T { return await(std::forward<A>(awaitable)); });
  }
  const Future<T> future = ensure_future(std::forward<A>(awaitable));
  const auto result = [&]() -> T { return detail::take_value<T>(future.state(), future.state().references() == 1); };
  if (future.done()) return result();
  detail::cancel_and_wait(future);
  try {
    return result();
  } catch (const CancelledError&) {  // a gather is not cancelled() then: it fails with one
    throw TimeoutError();
  }
}

}  // namespace coir
