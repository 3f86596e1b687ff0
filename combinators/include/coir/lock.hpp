// SPDX-License-Identifier: MIT
// One task at a time. asyncio.Lock.
#pragma once

#include <coir/detail/wait_line.hpp>

namespace coir {

/// Mutual exclusion between tasks of one loop, across awaits. Without an await inside, a section needs no lock at all.
///
///     const std::scoped_lock guard(lock);   // or std::unique_lock, std::lock_guard; scoped_lock takes several
///
///     unlocked --acquire()--> locked
///              <--release()--
///
/// LK1  Tasks get the lock in the order in which they asked for it. release() hands it to nobody: it wakes the first in
///      line, and until that one has run the lock is unlocked, but only that one can take it.
/// LK2  While the lock is unlocked and somebody is in line who was not cancelled, one of them is about to run: a task
///      that is cancelled when it was woken already passes the wake-up on.
///
/// It belongs to no task: any may release it, and one that acquires it twice waits for itself, for ever.
///
/// Threads   One loop's, once a task has waited for it; a second loop gets a UsageError.
/// Lifetime  Outlives the tasks that use it. Those that wait when it goes get a UsageError (destroyed_while_waiting).
/// Source    CPython 3.13 locks.py Lock
class COIR_EXPORT Lock {
 public:
  explicit Lock(SourceLocation where = SourceLocation::current()) noexcept : line_("Lock.acquire()", where) {}

  /// Waits until the lock is unlocked and nobody is before this task in line, then locks it.
  ///
  /// Suspends  Exactly if try_lock() would return false.
  /// Errors    UsageError outside a task or in a second loop, but only if it has to wait
  /// Cancel    CancelledError; the lock is then not held, and the next in line gets its turn.
  /// Cost      Free: a few instructions, no allocation (bench/lock). Else one future, recycled.
  /// Source    locks.py Lock.acquire, which returns True
  void acquire() {
    if (!try_lock()) [[unlikely]] wait_and_take();
  }
  /// Unlocks it and wakes the first in line. From any task, or outside of one.
  ///
  /// Suspends  never
  /// Errors    UsageError (not_acquired)
  /// Source    locks.py Lock.release
  void release() {
    if (!locked_) [[unlikely]] throw_not_acquired("Lock.release()");
    locked_ = false;
    line_.set_holder(nullptr);
    if (!line_.empty()) wake_first();
  }
  /// Whether a task holds it. False does not mean that acquire() returns at once: somebody may be woken already (LK1).
  bool locked() const noexcept { return locked_; }

  /// acquire(), release(), as the standard library calls them.
  void lock() { acquire(); }
  void unlock() { release(); }
  /// Locks it if that takes no waiting. Also outside a task. Suspends: never.
  bool try_lock() noexcept {
    if (locked_ || (!line_.empty() && line_.anyone())) [[unlikely]] return false;
    take();
    return true;
  }

 private:
  void take() noexcept {
    locked_ = true;
    line_.set_holder(detail::current_task);
  }
  void wait_and_take();
  void wake_first() noexcept;
  [[noreturn]] void throw_not_acquired(const char* call) const;

  bool locked_ = false;
  detail::WaitLine line_;
};

}  // namespace coir
