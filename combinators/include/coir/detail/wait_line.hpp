// SPDX-License-Identifier: MIT
// Tasks in line for one object: what Lock, Event, Condition, Semaphore and Queue have in common.
#pragma once

#include <cstddef>
#include <cstdint>

#include <coir/await.hpp>
#include <coir/source_location.hpp>

namespace coir::detail {

class WaitLine;

/// The future that a task in line awaits. Knows its line, so that a deadlock report can go on to who holds the object.
///
/// A loop keeps one that has done its duty for the next wait (LoopHead): tasks that take turns, as those at the two
/// ends of a queue do, make no future for each wait.
class COIR_EXPORT WaitLineState final : public ValueState<FutureState, void> {
 public:
  static Ref<WaitLineState> make(LoopCore& loop, const WaitLine& line);
  /// Gives up the waiter's reference.
  static void retire(Ref<WaitLineState> state) noexcept;
  void each_awaited(const AwaitedVisitor& visit) const override;
  void forget_line() noexcept { line_ = nullptr; }

 private:
  WaitLineState(LoopCore& loop, const WaitLine& line);
  ~WaitLineState() override = default;
  const WaitLine* line_;  // null once the waiter has left it
};

/// One task's place in line, in the frame of the call that waits.
///
///     in line --wake()--> woken
///             --its task is cancelled--> cancelled
///
/// The place is given up by the destructor, when the task has resumed, whatever the reason.
class COIR_EXPORT Waiter {
 public:
  /// Joins the end of the line. Errors: UsageError outside a task, or in a loop other than the one of earlier waiters.
  explicit Waiter(WaitLine& line);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  enum class Needs {
    object,   ///< what the task does when it is woken needs the object: a lock to take
    wake_up,  ///< that it was woken is all: the object may go right after it has woken everybody
  };
  /// Suspends until woken. Errors: CancelledError; UsageError if the object is destroyed before what it `needs` has
  /// happened: the caller must not touch it any more then.
  /// Inline, because each `ret` behind the switch is mispredicted, for 6 ns of 50 (bench/lock_bench, hand_over).
  void wait(Needs needs = Needs::object) {
    try {
      wait_until_done(*state_);
    } catch (const CancelledError&) {
      if (!lost(needs)) throw;  // else the caller, who would leave the object in order, must learn that it is gone
    }
    if (lost(needs)) [[unlikely]] throw_lost();
    state_->require_value();
  }
  /// Moves it behind those woken before; its task resumes in the next turn. Only while it is not done.
  void wake() noexcept;
  /// Woken or cancelled.
  bool done() const noexcept { return state_->done(); }
  bool cancelled() const noexcept { return state_->cancelled(); }
  bool woken() const noexcept { return done() && !cancelled(); }
  /// The object was destroyed.
  bool orphaned() const noexcept { return line_ == nullptr; }

 private:
  friend class WaitLine;
  struct List {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
    void push(Waiter& waiter) noexcept;
    void remove(Waiter& waiter) noexcept;
  };

  bool lost(Needs needs) const noexcept { return stranded_ || (line_ == nullptr && needs == Needs::object); }
  [[noreturn]] void throw_lost() const;

  WaitLine* line_;  // null once the object is gone
  bool stranded_ = false;  // the object went before it had woken or lost this one
  Ref<WaitLineState> state_;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
};

/// Waiters in order of arrival.
///
/// W1  Two lists: `woken_`, in order of waking, and `waiting_`, in order of arrival, some of them cancelled. A waiter
///     is in exactly one of them from its construction to its destruction.
/// W2  Once somebody has waited, all others must wait in the same loop.
///
/// Threads   The loop's.
/// Source    CPython Lib/asyncio/locks.py and queues.py, the deques of futures; mixins.py, _LoopBoundMixin. There the
///           list is one: woken waiters stay in front of it.
class COIR_EXPORT WaitLine {
 public:
  /// `kind` is a literal that names what is waited for in reports: "Lock.acquire()".
  explicit WaitLine(const char* kind, SourceLocation where) noexcept : kind_(kind), where_(where) {}
  /// Tasks that still wait get a UsageError: the object that they wait for is gone.
  ~WaitLine() {
    if (woken_.first != nullptr || waiting_.first != nullptr) [[unlikely]] abandon();
  }
  WaitLine(const WaitLine&) = delete;
  WaitLine& operator=(const WaitLine&) = delete;

  /// Nobody is in line, neither waiting nor woken nor cancelled.
  bool empty() const noexcept { return woken_.first == nullptr && waiting_.first == nullptr; }
  /// Somebody is in line who has not been cancelled: woken ones count. Cost: one step for each cancelled in front.
  bool anyone() const noexcept { return woken_.first != nullptr || next_waiting() != nullptr; }
  /// The longest in line, done or not. Null: the line is empty.
  Waiter* first() const noexcept { return woken_.first != nullptr ? woken_.first : waiting_.first; }
  /// The longest in line who is neither woken nor cancelled; null if there is none.
  Waiter* next_waiting() const noexcept {
    Waiter* waiter = waiting_.first;
    while (waiter != nullptr && waiter->done()) waiter = waiter->next_;
    return waiter;
  }
  /// Wakes next_waiting(). False: there is none.
  bool wake_next() noexcept {
    Waiter* waiter = next_waiting();
    if (waiter == nullptr) return false;
    waiter->wake();
    return true;
  }
  void wake_all() noexcept {
    while (wake_next()) {
    }
  }
  /// How many have neither been woken nor cancelled. Cost: linear.
  std::size_t count_waiting() const noexcept;

  const char* kind() const noexcept { return kind_; }
  SourceLocation where() const noexcept { return where_; }

  /// Everybody in line waits for this task; null: nobody in particular. For deadlock reports.
  void set_holder(const TaskState* task) noexcept { holder_ = task != nullptr ? task->id() : 0; }
  /// Its id, which no other task of the process has; 0: none.
  std::uint64_t holder() const noexcept { return holder_; }

 private:
  friend class Waiter;
  void abandon() noexcept;

  const char* kind_;
  SourceLocation where_;
  LoopCore* loop_ = nullptr;  // W2; compared, never used
  // Not a reference: a task that ends while it holds a lock would live, and its failure stay unreported, until the lock
  // goes; and taking a lock would touch the task's count.
  std::uint64_t holder_ = 0;
  Waiter::List woken_;    // W1
  Waiter::List waiting_;  // W1
};

}  // namespace coir::detail
