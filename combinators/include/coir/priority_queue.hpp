// SPDX-License-Identifier: MIT
// The queue that gives the least item first. asyncio.PriorityQueue.
#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include <coir/detail/queue_of.hpp>

namespace coir {
namespace detail {

/// A binary heap, least in front. Not std::push_heap and std::pop_heap: those move while they compare, so a comparison
/// that throws loses an item. Here all comparisons come first; equal items leave in the order of CPython's heapq.
template <class T, class Compare>
class HeapItems {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>,
                "the items of a PriorityQueue are moved about: their moves must be noexcept, or items could be lost. "
                "Queue a std::unique_ptr to them, with a Compare that looks at what it points to");

 public:
  explicit HeapItems(Compare less) : less_(std::move(less)) {}

  template <class U>
  void push(U&& item) {
    const T& added = item;
    std::size_t place = items_.size();
    while (place != 0 && less_(added, items_[parent(place)])) place = parent(place);
    items_.push_back(std::forward<U>(item));
    std::size_t hole = items_.size() - 1;
    if (hole == place) return;
    T sinking = std::move(items_[hole]);
    for (; hole != place; hole = parent(hole)) items_[hole] = std::move(items_[parent(hole)]);
    items_[place] = std::move(sinking);
  }
  /// Brings the least to the back, and the one that was there to its place among the others.
  T& next() {
    const std::size_t last = items_.size() - 1;
    std::size_t place = 0;
    for (std::size_t child = 1; child < last; child = 2 * place + 1) {
      const bool right = child + 1 < last && !less_(items_[child], items_[child + 1]);
      place = child + (right ? 1 : 0);
    }
    while (place != 0 && less_(items_[last], items_[place])) place = parent(place);
    if (last == 0) return items_.back();
    T rising = std::move(items_[last]);
    for (;; place = parent(place)) {
      std::swap(rising, items_[place]);
      if (place == 0) break;
    }
    items_[last] = std::move(rising);
    return items_.back();
  }
  void pop() noexcept { items_.pop_back(); }

 private:
  static std::size_t parent(std::size_t index) noexcept { return (index - 1) / 2; }
  std::vector<T> items_;
  [[no_unique_address]] Compare less_;
};

}  // namespace detail

/// Least first: less(a, b) puts a before b. Equal items come out in no particular order (in that of CPython); put a
/// running number behind the priority to have them in the order of arrival. Else as Queue.
///
/// Errors    What `less` throws, from the call that compares: the queue is as before.
/// Cost      put() and get() take O(log n).
/// Source    CPython 3.13 queues.py PriorityQueue
template <class T, class Compare = std::less<T>>
class PriorityQueue : public detail::QueueOf<T, detail::HeapItems<T, Compare>> {
 public:
  explicit PriorityQueue(std::ptrdiff_t maxsize = 0, Compare less = {},
                         SourceLocation where = SourceLocation::current())
      : detail::QueueOf<T, detail::HeapItems<T, Compare>>(maxsize, where,
                                                          detail::HeapItems<T, Compare>(std::move(less))) {}
};

}  // namespace coir
