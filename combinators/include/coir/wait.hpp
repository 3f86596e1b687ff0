// SPDX-License-Identifier: MIT
// Waits for several futures, without taking their results. asyncio.wait.
#pragma once

#include <optional>
#include <ranges>
#include <vector>

#include <coir/await.hpp>
#include <coir/clock.hpp>
#include <coir/detail/distinct.hpp>

namespace coir {

enum class ReturnWhen {
  first_completed,  ///< at least one is done, failed ones and cancelled ones included
  first_exception,  ///< one failed (a cancelled one does not count), or all are done
  all_completed,
};

struct WaitOptions {
  std::optional<Duration> timeout = {};  ///< none: for ever
  ReturnWhen return_when = ReturnWhen::all_completed;
};

/// Each future once, in the order of the arguments.
template <class F>
struct WaitResult {
  std::vector<F> done;
  std::vector<F> pending;
};

namespace detail {
/// Suspends until `options` are met. Errors as wait().
COIR_EXPORT void wait_until(const std::vector<AnyFuture>& distinct, const WaitOptions& options);
}  // namespace detail

/// Waits until the futures are as `return_when` says or the timeout has passed, and tells which are done.
///
///     auto [done, pending] = wait(tasks, {.timeout = 2s, .return_when = ReturnWhen::first_completed});
///
/// Shape     A range of Future<T> or Task<T>, the same type out. Callables are refused: who would hold their tasks?
/// Suspends  Always, also for futures that are done and for a timeout of zero: two turns.
/// Errors    std::invalid_argument for an empty range; UsageError outside a task. Never TimeoutError, and no failure of
///           a future: look at the futures. (A failure that ends first_exception early counts as retrieved.)
/// Cancel    CancelledError; the futures run on, uncancelled, as they do after a timeout.
/// Cost      Three allocations and one for each future.
/// Source    CPython 3.13 tasks.py wait, which returns unordered sets
template <std::ranges::input_range Range>
auto wait(Range&& futures, WaitOptions options = {}) {
  using F = std::ranges::range_value_t<Range>;
  static_assert(detail::FutureLike<F>, "wait() takes futures or tasks: make a task of each callable, create_task(fn)");
  std::vector<F> all;
  std::vector<AnyFuture> any;
  for (const F& future : futures) {
    all.push_back(future);
    any.push_back(future);
  }
  const std::vector<std::size_t> first = detail::first_occurrences(any);
  std::vector<F> distinct;
  any.clear();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (first[i] != i) continue;
    any.push_back(all[i]);
    distinct.push_back(std::move(all[i]));
  }
  detail::wait_until(any, options);
  WaitResult<F> result;
  for (F& future : distinct) (future.done() ? result.done : result.pending).push_back(std::move(future));
  return result;
}

}  // namespace coir
