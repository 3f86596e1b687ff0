// SPDX-License-Identifier: MIT
// A point that a number of tasks pass together. asyncio.Barrier.
#pragma once

#include <cstddef>

#include <coir/detail/wait_line.hpp>
#include <coir/errors.hpp>

namespace coir {

/// Holds tasks until a given number of them has arrived, then lets all of them go; and again.
///
///     filling --the last one arrives--> draining --all have left--> filling
///     filling, draining --reset() with tasks inside--> resetting --all have left--> filling
///     any --abort()--> broken --reset()--> resetting, or filling if nobody is inside
///
/// BA1  A task is inside from its arrival until wait() returns or throws. One that comes while the barrier is draining
///      or resetting waits outside, until everybody has left.
/// BA2  The tasks of one release get the numbers 0 to parties() - 1, each once, in order of arrival.
///
/// Threads   One loop's, once a task has waited for it; a second loop gets a UsageError.
/// Lifetime  Outlives the tasks that use it. Those that wait when it goes get a UsageError (destroyed_while_waiting).
/// Source    CPython 3.13 locks.py Barrier. There the number is given on arrival, so that two tasks have the same one
///           once a third has been cancelled (gh-155233); and there is `async with`, which here is a call of wait().
class COIR_EXPORT Barrier {
 public:
  /// Errors    std::invalid_argument for less than one party
  explicit Barrier(std::ptrdiff_t parties, SourceLocation where = SourceLocation::current());
  ~Barrier();
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  /// Waits until parties() tasks are inside. Returns which of them this one is (BA2), so that one of them can do what
  /// is to be done once: `if (barrier.wait() == 0) ...`.
  ///
  /// Suspends  Unless it is the last to arrive, or the barrier is broken.
  /// Errors    BrokenBarrierError if the barrier is broken, or is aborted or reset before this task has left;
  ///           UsageError outside a task or in a second loop, but only if it has to wait
  /// Cancel    CancelledError; the others wait for one more. One that is cancelled in the turn in which the last
  ///           arrives still counts as arrived.
  /// Cost      One future, recycled, for each time it is woken.
  /// Source    locks.py Barrier.wait
  std::size_t wait();
  /// Empties the barrier: those inside get a BrokenBarrierError. Mends a broken one.
  /// Suspends: never; needs no task.
  /// Source    locks.py Barrier.reset
  void reset() noexcept;
  /// Breaks the barrier: those who wait, and those who come later, get a BrokenBarrierError, until reset().
  /// Suspends: never; needs no task. Source: locks.py Barrier.abort
  void abort() noexcept;

  std::size_t parties() const noexcept { return parties_; }
  /// How many wait for the others to arrive.
  std::size_t n_waiting() const noexcept { return state_ == State::filling ? count_ : 0; }
  bool broken() const noexcept { return state_ == State::broken; }

 private:
  enum class State { filling, draining, resetting, broken };
  class Inside;
  /// Until somebody changes the state, or wakes this task for another reason.
  void wait_for_change();
  void number_those_inside() noexcept;
  void left() noexcept;

  const std::size_t parties_;
  std::size_t count_ = 0;     // of tasks inside
  Inside* first_ = nullptr;   // those inside, in order of arrival
  Inside* last_ = nullptr;
  State state_ = State::filling;
  detail::WaitLine line_;
};

}  // namespace coir
