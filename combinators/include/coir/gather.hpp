// SPDX-License-Identifier: MIT
// Runs several things side by side and collects their results. asyncio.gather.
#pragma once

#include <concepts>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <coir/detail/distinct.hpp>
#include <coir/detail/gather_future.hpp>

namespace coir {

/// As the first argument of gather(): failures become part of the result.
struct ReturnExceptions {
  explicit ReturnExceptions() = default;
};
inline constexpr ReturnExceptions return_exceptions{};

namespace detail {

template <bool with_exceptions, class... A>
auto gather_tuple(SourceLocation where, A&&... awaitables) {
  using Gather = GatherTuple<with_exceptions, AwaitResult<A>...>;
  std::vector<AnyFuture> children;
  children.reserve(sizeof...(A));
  (children.push_back(ensure_future(std::forward<A>(awaitables), where)), ...);
  LoopCore& loop = children.empty() ? require_running_loop("gather()") : children.front().state().loop();
  return make_gather<Gather>(loop, where, std::move(children));
}

template <bool with_exceptions, class Range>
auto gather_range(SourceLocation where, Range&& range) {
  using Gather = GatherVector<with_exceptions, RangeResult<Range>>;
  std::vector<AnyFuture> children;
  if constexpr (std::ranges::sized_range<Range>) children.reserve(std::ranges::size(range));
  for (auto&& element : range) children.push_back(ensure_future(element));
  LoopCore& loop = children.empty() ? require_running_loop("gather()") : children.front().state().loop();
  return make_gather<Gather>(loop, where, std::move(children));
}

template <class A>
concept GatherRange = std::ranges::input_range<A> && !FutureLike<A>;

template <class A>
concept GatherChild = FutureLike<A> || std::invocable<std::decay_t<A>&>;

}  // namespace detail

/// Collects the results of all children, in argument order.
///
///     auto [user, cart] = await(gather(load_user, load_cart));
///
/// Shape     Future<T>, Task<T> or callable... -> Future<std::tuple<T...>>, void as std::monostate. A range of one kind
///           -> Future<std::vector<T>>. With return_exceptions first, Outcome<T> in the place of T. Callables become
///           tasks. Without children it is done at once.
/// Order     Results follow the arguments, tasks start in their order, whatever order they finish in. A future passed
///           twice is waited for once and fills both places.
/// Suspends  Never; awaiting the returned future does, unless all children were done.
/// Errors    The first child to fail or to be cancelled, in order of completion, fails the result with its exception,
///           at once; the others run on, and their later exceptions count as retrieved. With return_exceptions nothing
///           fails it. std::invalid_argument if children belong to different loops.
/// Cancel    cancel() passes on to every unfinished child, and is false if none took it. The result then fails with
///           CancelledError (it is not cancelled() itself) when the first child ends cancelled; with return_exceptions
///           when all have ended.
/// Lifetime  The result holds the children. Dropping it stops nothing, callbacks that were added to it run all the same.
/// Cost      Three allocations, besides the tasks.
/// Source    CPython 3.13 tasks.py gather. A failed child of a gather dropped before it was done reports itself.
// A default argument cannot follow a pack, and the tasks made here should say where: hence one form for each number of
// children up to five. Tasks of larger gathers are created at an unknown place.
template <detail::GatherChild... T>
auto gather(T&&... children) {
  return detail::gather_tuple<false>(SourceLocation(), std::forward<T>(children)...);
}
template <detail::GatherChild A>
auto gather(A&& a, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<false>(where, std::forward<A>(a));
}
template <detail::GatherChild A, detail::GatherChild B>
auto gather(A&& a, B&& b, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<false>(where, std::forward<A>(a), std::forward<B>(b));
}
template <detail::GatherChild A, detail::GatherChild B, detail::GatherChild C>
auto gather(A&& a, B&& b, C&& c, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<false>(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
}
template <detail::GatherChild A, detail::GatherChild B, detail::GatherChild C, detail::GatherChild D>
auto gather(A&& a, B&& b, C&& c, D&& d, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<false>(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                                     std::forward<D>(d));
}
template <detail::GatherChild A, detail::GatherChild B, detail::GatherChild C, detail::GatherChild D,
          detail::GatherChild E>
auto gather(A&& a, B&& b, C&& c, D&& d, E&& e, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<false>(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                                     std::forward<D>(d), std::forward<E>(e));
}
template <detail::GatherChild... T>
auto gather(ReturnExceptions, T&&... children) {
  return detail::gather_tuple<true>(SourceLocation(), std::forward<T>(children)...);
}
template <detail::GatherChild A>
auto gather(ReturnExceptions, A&& a, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<true>(where, std::forward<A>(a));
}
template <detail::GatherChild A, detail::GatherChild B>
auto gather(ReturnExceptions, A&& a, B&& b, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<true>(where, std::forward<A>(a), std::forward<B>(b));
}
template <detail::GatherChild A, detail::GatherChild B, detail::GatherChild C>
auto gather(ReturnExceptions, A&& a, B&& b, C&& c, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<true>(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c));
}
template <detail::GatherChild A, detail::GatherChild B, detail::GatherChild C, detail::GatherChild D>
auto gather(ReturnExceptions, A&& a, B&& b, C&& c, D&& d, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<true>(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                                     std::forward<D>(d));
}
template <detail::GatherChild A, detail::GatherChild B, detail::GatherChild C, detail::GatherChild D,
          detail::GatherChild E>
auto gather(ReturnExceptions, A&& a, B&& b, C&& c, D&& d, E&& e, SourceLocation where = SourceLocation::current()) {
  return detail::gather_tuple<true>(where, std::forward<A>(a), std::forward<B>(b), std::forward<C>(c),
                                     std::forward<D>(d), std::forward<E>(e));
}
template <detail::GatherRange Range>
auto gather(Range&& range, SourceLocation where = SourceLocation::current()) {
  return detail::gather_range<false>(where, std::forward<Range>(range));
}
template <detail::GatherRange Range>
auto gather(ReturnExceptions, Range&& range, SourceLocation where = SourceLocation::current()) {
  return detail::gather_range<true>(where, std::forward<Range>(range));
}

}  // namespace coir
