// SPDX-License-Identifier: MIT
// The queue that gives the youngest item first. asyncio.LifoQueue.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <coir/detail/queue_of.hpp>

namespace coir {
namespace detail {

template <class T>
class LifoItems {
 public:
  template <class U>
  void push(U&& item) {
    items_.push_back(std::forward<U>(item));
  }
  T& next() noexcept { return items_.back(); }
  void pop() noexcept { items_.pop_back(); }

 private:
  std::vector<T> items_;
};

}  // namespace detail

/// Last in, first out. Else as Queue.
/// Source    CPython 3.13 queues.py LifoQueue
template <class T>
class LifoQueue : public detail::QueueOf<T, detail::LifoItems<T>> {
 public:
  explicit LifoQueue(std::ptrdiff_t maxsize = 0, SourceLocation where = SourceLocation::current())
      : detail::QueueOf<T, detail::LifoItems<T>>(maxsize, where) {}
};

}  // namespace coir
