// SPDX-License-Identifier: MIT
// All of a queue but its items.
#pragma once

#include <cstddef>

#include <coir/detail/wait_line.hpp>
#include <coir/errors.hpp>

namespace coir::detail {

/// Counts items and makes tasks wait; whoever derives from it keeps the items.
///
/// Q1  size_ items are there. Whoever adds or takes one says so right afterwards, and wakes one task that waits for it.
/// Q2  unfinished_ items have been put and not been declared done.
/// Q3  A woken task finds out for itself whether there is still something for it: others may have been faster. One that
///     cannot take what it was woken for passes the wake-up on, so that none is lost.
///
/// Source    CPython 3.13 queues.py Queue
class COIR_EXPORT QueueCore {
 public:
  QueueCore(const QueueCore&) = delete;
  QueueCore& operator=(const QueueCore&) = delete;

  /// Items in the queue.
  std::size_t qsize() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// Whether put() would have to wait; never, without a limit.
  bool full() const noexcept { return maxsize_ > 0 && size_ >= static_cast<std::size_t>(maxsize_); }
  /// As given to the constructor: how many items there may be; zero or less: any number.
  std::ptrdiff_t maxsize() const noexcept { return maxsize_; }

  /// Says that the work on one item that was got is done.
  /// Suspends  never
  /// Errors    UsageError (released_too_often), where asyncio has ValueError, if there are not that many items
  /// Source    CPython 3.13 queues.py Queue.task_done
  void task_done();
  /// Waits until task_done() has been called for every item that was put.
  ///
  /// Suspends  Exactly if some are unfinished. One that is put when it has been woken, but does not run yet, does not
  ///           keep it.
  /// Errors    UsageError outside a task, and if the queue is destroyed meanwhile.
  /// Cancel    CancelledError; nothing changes.
  /// Source    CPython 3.13 queues.py Queue.join
  void join();

 protected:
  QueueCore(std::ptrdiff_t maxsize, SourceLocation where) noexcept;
  ~QueueCore() = default;

  /// Suspends until there is an item. False: there will be none any more.
  bool await_item(const char* call) {
    if (current_task == nullptr) [[unlikely]]
      require_task(call);
    return size_ != 0 || wait_for_item();
  }
  /// Suspends until there is room. Errors: QueueShutDown.
  void await_room() {
    if (current_task == nullptr) [[unlikely]]
      require_task("Queue.put()");
    if (shut_down_ || full()) [[unlikely]]
      wait_for_room();
  }
  void require_item() const {
    if (size_ == 0) [[unlikely]]
      throw_empty();
  }
  void require_room() const {
    if (shut_down_ || full()) [[unlikely]]
      throw_full();
  }
  void added() noexcept {
    ++size_;
    ++unfinished_;
    if (!getters_.empty()) getters_.wake_next();
  }
  void removed() noexcept {
    --size_;
    if (!putters_.empty()) putters_.wake_next();
  }
  /// Q3: the item could not be moved out of the queue, or into it.
  void not_removed() noexcept {
    if (size_ != 0) getters_.wake_next();
  }
  void not_added() noexcept {
    if (!full()) putters_.wake_next();
  }
  /// `drained` items have been thrown away.
  void shut_down(std::size_t drained) noexcept;
  bool is_shut_down() const noexcept { return shut_down_; }

 private:
  bool wait_for_item();
  void wait_for_room();
  [[noreturn]] void throw_empty() const;
  [[noreturn]] void throw_full() const;

  const std::ptrdiff_t maxsize_;
  std::size_t size_ = 0;        // Q1
  std::size_t unfinished_ = 0;  // Q2
  bool shut_down_ = false;
  WaitLine getters_;
  WaitLine putters_;
  WaitLine joiners_;
};

}  // namespace coir::detail
