// SPDX-License-Identifier: MIT
// A flag that tasks can wait for. asyncio.Event.
#pragma once

#include <coir/detail/wait_line.hpp>

namespace coir {

/// Tells any number of tasks that something has happened.
///
///     unset --set()--> set
///           <--clear()--
///
/// A task that waits when set() is called returns from wait(), even if clear() follows before it has run.
///
/// Threads   One loop's, once a task has waited for it; a second loop gets a UsageError. From another thread:
///           loop.call_soon_threadsafe([&] { event.set(); }).
/// Lifetime  May go right after set(): those whom it woke return from wait(). Those who still wait when it goes get a
///           UsageError (destroyed_while_waiting).
/// Source    CPython 3.13 locks.py Event
class COIR_EXPORT Event {
 public:
  explicit Event(SourceLocation where = SourceLocation::current()) noexcept : line_("Event.wait()", where) {}

  bool is_set() const noexcept { return set_; }
  /// Sets the flag and wakes all who wait, in order of arrival; nothing if it is set. Suspends: never.
  void set() noexcept {
    if (set_) return;
    set_ = true;
    if (!line_.empty()) line_.wake_all();
  }
  void clear() noexcept { set_ = false; }
  /// Waits until the flag is set.
  ///
  /// Suspends  Exactly if it is not.
  /// Errors    UsageError outside a task or in a second loop, but only if it has to wait
  /// Cancel    CancelledError
  /// Cost      Set: one load. Else one future, recycled.
  /// Source    locks.py Event.wait, which returns True
  void wait() {
    if (!set_) wait_until_set();
  }

 private:
  void wait_until_set();

  bool set_ = false;
  detail::WaitLine line_;
};

}  // namespace coir
