// SPDX-License-Identifier: MIT
#include <coir/detail/distinct.hpp>

#include <algorithm>
#include <functional>
#include <numeric>

namespace coir::detail {

std::vector<std::size_t> first_occurrences(const std::vector<AnyFuture>& futures) {
  std::vector<std::size_t> order(futures.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto address = [&](std::size_t i) { return &futures[i].state(); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::less<>()(address(a), address(b));
  });
  std::vector<std::size_t> first(futures.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool duplicate = i > 0 && address(order[i]) == address(order[i - 1]);
    first[order[i]] = duplicate ? first[order[i - 1]] : order[i];
  }
  return first;
}

}  // namespace coir::detail
