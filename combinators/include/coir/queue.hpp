// SPDX-License-Identifier: MIT
// Items from tasks that make them to tasks that use them. asyncio.Queue.
#pragma once

#include <cstddef>

#include <coir/detail/queue_of.hpp>
#include <coir/detail/ring.hpp>

namespace coir {
namespace detail {

template <class T>
class FifoItems {
 public:
  template <class U>
  void push(U&& item) {
    ring_.push(std::forward<U>(item));
  }
  T& next() noexcept { return ring_.front(); }
  void pop() noexcept { ring_.pop(); }

 private:
  Ring<T> ring_;
};

}  // namespace detail

/// First in, first out. T may be move-only.
///
///     Queue<Job> jobs(100);
///     group.create_task([&] { for (Job& job : jobs) work(job); });
///     jobs.put(Job{...});                                      // waits while there are 100
///     jobs.shutdown();                                         // the loop above ends behind the last one
///
/// With `maxsize` zero or less any number fits in, and put() never waits.
///
/// No item is lost: neither to a cancelled get(), nor to one whose T throws when it is moved. (If a T cannot be copied
/// and its move throws while the queue grows, T decides what is left of it, as in std::vector.)
///
/// Lifetime  Must outlive the tasks that wait for it: they get a UsageError else.
/// Threads   Those of one loop: the first that waits binds the queue to its loop. put_nowait() and get_nowait() also
///           outside of loops.
/// Source    CPython 3.13 queues.py Queue
template <class T>
class Queue : public detail::QueueOf<T, detail::FifoItems<T>> {
 public:
  explicit Queue(std::ptrdiff_t maxsize = 0, SourceLocation where = SourceLocation::current())
      : detail::QueueOf<T, detail::FifoItems<T>>(maxsize, where) {}
};

}  // namespace coir
