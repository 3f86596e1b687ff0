// SPDX-License-Identifier: MIT
// Waiting for a change of what a lock protects. asyncio.Condition.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <coir/lock.hpp>

namespace coir {

/// A lock together with a line of tasks that wait until somebody who holds the lock has changed something.
///
///     std::unique_lock held(condition);                        consumer
///     condition.wait(held, [&] { return !items.empty(); });
///
///     const std::scoped_lock held(condition);                  producer
///     items.push_back(1);
///     condition.notify();
///
/// CO1  wait() leaves with the lock held, whatever ends it: the guard around it releases the lock once.
/// CO2  A notification reaches a task that acts on it: one that leaves wait() by an exception wakes the next. So wait()
///      may return although nobody has called notify(); look again, or let wait() do it with a predicate.
///
/// Threads   One loop's, once a task has waited for it; a second loop gets a UsageError.
/// Lifetime  Outlives the tasks that use it; one over another's Lock may go right after notify_all(), if the Lock
///           stays. Those who still wait when it goes get a UsageError (destroyed_while_waiting), with that Lock held.
///           A guard of a Condition that has gone is a use after free, like that of any mutex.
/// Source    CPython 3.13 locks.py Condition
class COIR_EXPORT Condition {
 public:
  /// With a lock of its own.
  explicit Condition(SourceLocation where = SourceLocation::current()) noexcept
      : own_(std::in_place, where), lock_(&*own_), line_("Condition.wait()", where) {}
  /// Over a lock that others use, too: further conditions, or tasks that do not care for them.
  explicit Condition(Lock& lock, SourceLocation where = SourceLocation::current()) noexcept
      : lock_(&lock), line_("Condition.wait()", where) {}

  /// The lock's.
  void acquire() { lock_->acquire(); }
  void release() { lock_->release(); }
  bool locked() const noexcept { return lock_->locked(); }
  void lock() { lock_->lock(); }
  void unlock() { lock_->unlock(); }
  bool try_lock() noexcept { return lock_->try_lock(); }

  /// Releases the lock, waits for a notification, acquires the lock again.
  ///
  /// Suspends  always
  /// Errors    UsageError (not_acquired) if the lock is not held; outside a task; in a second loop
  /// Cancel    CancelledError, thrown with the lock held (CO1): the task stays as long as that takes, whatever comes
  ///           meanwhile. Of several cancellations the most recent one is thrown.
  /// Cost      One future, recycled; a second one if the lock is not free then.
  /// Source    locks.py Condition.wait, which returns True
  void wait();
  /// Waits until predicate() is true, which it may be at once; returns what it returned. It is called with the lock
  /// held.
  /// Errors    as wait(), and what predicate() throws. Suspends: if predicate() is false.
  /// Source    locks.py Condition.wait_for
  template <class Predicate>
  std::decay_t<std::invoke_result_t<Predicate&>> wait_for(Predicate&& predicate) {
    for (;;) {
      std::decay_t<std::invoke_result_t<Predicate&>> result = std::invoke(predicate);
      if (result) return result;
      wait();
    }
  }

  /// The same, as std::condition_variable_any has it. `held` must be a std::unique_lock of this condition or of its
  /// lock.
  /// Errors    as above; UsageError (not_acquired) for one that does not own it, or owns another
  template <class Mutex>
  void wait(std::unique_lock<Mutex>& held) {
    require_held(held);
    wait();
  }
  template <class Mutex, class Predicate>
  void wait(std::unique_lock<Mutex>& held, Predicate&& predicate) {
    require_held(held);
    wait_for(std::forward<Predicate>(predicate));
  }

  /// Wakes up to n waiting tasks, in order of arrival. They go on when the caller has released the lock.
  ///
  /// Suspends  never
  /// Errors    UsageError (not_acquired) if the lock is not held; std::invalid_argument for a negative n, which asyncio
  ///           takes for 0
  /// Source    locks.py Condition.notify, notify_all
  void notify(std::ptrdiff_t n = 1);
  void notify_one() { notify(1); }
  void notify_all();

 private:
  template <class Mutex>
  void require_held(const std::unique_lock<Mutex>& held) const {
    static_assert(std::is_same_v<Mutex, Condition> || std::is_same_v<Mutex, Lock>,
                  "wait() takes a std::unique_lock of the Condition or of its Lock");
    const void* const expected = std::is_same_v<Mutex, Lock> ? static_cast<const void*>(lock_) : this;
    if (!held.owns_lock() || held.mutex() != expected) throw_not_acquired("wait()");
  }
  void require_acquired(const char* call) const {
    if (!locked()) [[unlikely]] throw_not_acquired(call);
  }
  [[noreturn]] void throw_not_acquired(const char* call) const;

  std::optional<Lock> own_;  // empty: the lock is somebody else's
  Lock* const lock_;
  detail::WaitLine line_;
};

}  // namespace coir
