// SPDX-License-Identifier: MIT
// Futures as they finish. asyncio.as_completed.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <utility>
#include <vector>

#include <coir/detail/as_completed_core.hpp>
#include <coir/detail/distinct.hpp>

namespace coir {

/// What as_completed() returns: an input range of Future<T>&, each done, in order of completion.
template <class T>
class AsCompleted {
 public:
  AsCompleted(std::vector<Future<T>> futures, std::optional<Duration> timeout)
      : futures_(std::move(futures)),
        core_(std::make_unique<detail::AsCompletedCore>(std::vector<AnyFuture>(futures_.begin(), futures_.end()),
                                                        timeout)) {}

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = Future<T>;

    iterator() = default;
    explicit iterator(AsCompleted& range) : range_(&range) { ++*this; }
    Future<T>& operator*() const { return range_->futures_[index_.value()]; }
    Future<T>* operator->() const { return &**this; }
    /// Suspends  until the next future is done. Errors: TimeoutError; advancing again goes on with the next one.
    iterator& operator++() {
      index_ = range_->core_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) { return !it.index_.has_value(); }

   private:
    AsCompleted* range_ = nullptr;
    std::optional<std::size_t> index_;
  };

  /// Waits for the first one.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Waits for the next one and returns its value, moved out if nobody else holds the future: what awaiting an item of
  /// asyncio's plain iterator is. Tasks that call it at the same time get a future each.
  ///
  /// Suspends  unless one that has not been handed out is done
  /// Errors    the failure of that future; TimeoutError as advancing; std::out_of_range when all have been handed out
  /// Source    CPython 3.13 tasks.py _AsCompletedIterator.__next__, _wait_for_one(resolve=True)
  T next() {
    const std::optional<std::size_t> index = core_->next();
    if (!index) throw std::out_of_range("as_completed(): next() called when every future has been handed out");
    Future<T> own = std::exchange(futures_[*index], {});
    return await(std::move(own));
  }

 private:
  std::vector<Future<T>> futures_;
  std::unique_ptr<detail::AsCompletedCore> core_;
};

/// Goes through futures in the order in which they finish.
///
///     for (Future<Page>& page : as_completed(downloads, 10s)) show(await(page));    // each future itself
///
///     auto pages = as_completed(downloads);                                         // or their values, one by one
///     const Page first = pages.next();
///
/// Shape     A range of Future<T>, Task<T> or callables, which become tasks in order. Each future comes once, itself.
/// Suspends  Advancing does, unless the next one is done; this call never does.
/// Errors    Advancing throws TimeoutError once the deadline, counted from this call, has passed and what finished
///           before it has been handed out. UsageError outside a task. Failures stay in the futures.
/// Cancel    CancelledError from advancing. Neither that, nor the deadline, nor leaving early cancels the futures.
/// Lifetime  The range holds the futures; destroying it unregisters. Tasks may share it: each future goes to one.
/// Cost      Three allocations and one for each future.
/// Source    CPython 3.13 tasks.py as_completed: the range is its asynchronous form, next() its plain one; there callables start in no particular order
template <std::ranges::input_range Range>
AsCompleted<detail::RangeResult<Range>> as_completed(Range&& awaitables, std::optional<Duration> timeout = {}) {
  return {detail::to_futures(awaitables), timeout};
}

}  // namespace coir
