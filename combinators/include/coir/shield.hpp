// SPDX-License-Identifier: MIT
// Protects what others need from the cancellation of one who waits for it. asyncio.shield.
#pragma once

#include <utility>

#include <coir/detail/shield_future.hpp>

namespace coir {

/// A future that ends as `awaitable` does, but whose cancellation stops here: awaiting the shield and being cancelled
/// leaves the inner future running.
///
/// Shape     Future<T>, Task<T> or callable (which becomes a task) -> Future<T>. A done future is returned as it is. The
///           value is copied; a move-only one is moved out of the inner future.
/// Suspends  Never; awaiting the result does.
/// Errors    A failure of the inner future is the result's, and counts as retrieved. If the result was cancelled or
///           dropped before, the inner future reports its own failure unless somebody asks for it.
/// Cancel    Cancelling the inner future cancels the result.
/// Cost      Three allocations; what a cancelled shield leaves behind in the inner future: nothing.
/// Source    CPython 3.13 tasks.py shield; when a failure is reported differs (docs/asyncio_map.md)
template <class A>
Future<detail::AwaitResult<A>> shield(A&& awaitable, SourceLocation where = SourceLocation::current()) {
  using T = detail::AwaitResult<A>;
  Future<T> inner = ensure_future(std::forward<A>(awaitable), where);
  if (inner.done()) return inner;
  return detail::ShieldOf<T>::create(inner, where);
}

}  // namespace coir
