// SPDX-License-Identifier: MIT
// At most so many at a time. asyncio.Semaphore, asyncio.BoundedSemaphore.
#pragma once

#include <cstddef>
#include <limits>

#include <coir/detail/wait_line.hpp>

namespace coir {

/// A number of permits: acquire() takes one, release() gives one back, or a new one.
///
///     Semaphore connections(10);
///     const std::scoped_lock permit(connections);   // or std::unique_lock, std::lock_guard
///
/// SE1  Tasks get permits in the order in which they asked. release() gives the permit to the first in line at once, so
///      it is not in value() any more; a task that is cancelled when it was given one already hands it on.
/// SE2  value() is not negative; while it is positive nobody waits who is not about to run.
///
/// Threads   One loop's, once a task has waited for it; a second loop gets a UsageError.
/// Lifetime  Outlives the tasks that use it. Those that wait when it goes get a UsageError (destroyed_while_waiting).
/// Source    CPython 3.13 locks.py Semaphore; the rest of the interface is std::counting_semaphore's
class COIR_EXPORT Semaphore {
 public:
  /// Errors    std::invalid_argument for a negative value
  explicit Semaphore(std::ptrdiff_t value = 1, SourceLocation where = SourceLocation::current())
      : Semaphore(value, max(), "Semaphore.acquire()", where) {}

  /// Takes a permit, waiting for one if need be.
  ///
  /// Suspends  Exactly if locked().
  /// Errors    UsageError outside a task or in a second loop, but only if it has to wait
  /// Cancel    CancelledError; no permit is then taken.
  /// Cost      Free: a few instructions, no allocation (bench/lock). Else one future, recycled.
  /// Source    locks.py Semaphore.acquire, which returns True
  void acquire() {
    if (!try_acquire()) [[unlikely]] wait_for_permit();
  }
  /// Takes a permit if that takes no waiting. Also outside a task. Suspends: never.
  bool try_acquire() noexcept {
    if (locked()) [[unlikely]] return false;
    --value_;
    return true;
  }
  /// Adds `count` permits, for as many tasks in line. From any task, or outside of one.
  ///
  /// Suspends  never
  /// Errors    UsageError (released_too_often), with nothing released, if value() would exceed a BoundedSemaphore's
  ///           first value, or max(). std::invalid_argument for a negative count.
  /// Source    locks.py Semaphore.release, BoundedSemaphore.release (ValueError); asyncio's takes no count
  void release(std::ptrdiff_t count = 1) {
    if (count < 0 || value_ > bound_ - count) [[unlikely]] throw_bad_release(count);
    value_ += count;
    if (!line_.empty()) serve(count);
  }
  /// Whether acquire() would wait: no permit is there, or others come first.
  bool locked() const noexcept { return value_ == 0 || (!line_.empty() && line_.anyone()); }
  /// Permits that nobody holds and that were not given to a task that is about to run.
  std::ptrdiff_t value() const noexcept { return value_; }
  /// The greatest value() of any semaphore.
  static constexpr std::ptrdiff_t max() noexcept { return std::numeric_limits<std::ptrdiff_t>::max(); }

  /// acquire(), release(), try_acquire(), as std::unique_lock and the like call them.
  void lock() { acquire(); }
  void unlock() { release(); }
  bool try_lock() noexcept { return try_acquire(); }

 protected:
  Semaphore(std::ptrdiff_t value, std::ptrdiff_t bound, const char* kind, SourceLocation where);

 private:
  void wait_for_permit();
  /// Gives up to `count` permits that are there to tasks in line.
  void serve(std::ptrdiff_t count) noexcept;
  [[noreturn]] void throw_bad_release(std::ptrdiff_t count) const;

  std::ptrdiff_t value_;
  const std::ptrdiff_t bound_;  // of value_
  detail::WaitLine line_;
};

/// A Semaphore that never has more permits than at first: one release() too many is an error.
/// Source    CPython 3.13 locks.py BoundedSemaphore
class COIR_EXPORT BoundedSemaphore : public Semaphore {
 public:
  /// Errors    std::invalid_argument for a negative value
  explicit BoundedSemaphore(std::ptrdiff_t value = 1, SourceLocation where = SourceLocation::current())
      : Semaphore(value, value, "BoundedSemaphore.acquire()", where) {}
};

}  // namespace coir
