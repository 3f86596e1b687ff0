// SPDX-License-Identifier: MIT
// The same future passed twice.
#pragma once

#include <cstddef>
#include <ranges>
#include <type_traits>
#include <vector>

#include <coir/await.hpp>

namespace coir::detail {

/// For each future the index of its first occurrence in `futures`: its own, unless it is a duplicate. O(n log n).
COIR_EXPORT std::vector<std::size_t> first_occurrences(const std::vector<AnyFuture>& futures);

/// What the elements of a range await to.
template <class Range>
using RangeResult = AwaitResult<std::ranges::range_value_t<Range>>;

/// A range of futures, tasks, or callables, which become tasks, in order.
template <class Range>
std::vector<Future<RangeResult<Range>>> to_futures(Range&& range) {
  std::vector<Future<RangeResult<Range>>> futures;
  if constexpr (std::ranges::sized_range<Range>) futures.reserve(std::ranges::size(range));
  for (auto&& element : range) futures.push_back(ensure_future(element));
  return futures;
}

}  // namespace coir::detail
