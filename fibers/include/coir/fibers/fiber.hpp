// SPDX-License-Identifier: MIT
// A stack that can be left and re-entered.
#pragma once

#include <cstddef>
#include <memory>

#include <coir/detail/export.hpp>
#include <coir/fibers/stack_pool.hpp>

namespace coir::fibers {

/// Opaque: a suspended or running flow of control with a stack of its own. Lives at the top of that stack.
class Fiber;
class FiberPool;

/// What a fiber runs. It gets the argument given to FiberPool::acquire() and returns the fiber to continue with; by
/// returning it gives its own stack back. Must not throw.
using Entry = Fiber& (*)(void* argument) noexcept;

struct FiberStats {
  std::size_t leased = 0;      ///< fibers with an assignment, suspended or running
  std::size_t idle = 0;        ///< finished ones kept warm for the next assignment
  std::size_t peak = 0;        ///< most ever leased at once
  StackStats stacks;
};

/// The fibers of one thread, and the switch between them.
///
/// A fiber runs a loop: take an assignment, run it, switch to whatever the assignment returned. So its stack is set up
/// once, and starting on a recycled fiber is one jump without allocation. Switching is symmetric: whoever runs names
/// the next one; the thread's own stack takes part as host().
///
///     idle --acquire--> leased, not begun --switch_to--> running <--switch_to--> suspended
///       ^                                                   |
///       +------------------- its Entry returns -------------+
///
/// A switch carries with it the C++ exception state (caught exceptions and the uncaught count) and errno, so it is
/// legal in a catch block and in a destructor during unwinding. A new assignment starts with no exception in flight.
/// Signal masks and thread_locals belong to the thread. Floating-point control words are those of each fiber.
///
/// I1  Exactly one fiber is current(); it is host() until the first switch.
/// I2  A suspended fiber is never destroyed or unwound. The pool's destructor abandons idle fibers, whose stacks hold
///     no user frames; the stacks of leased ones stay mapped.
///
/// Threads   A pool belongs to the thread that constructed it or last called enter_thread().
/// Cost      switch_to: the jump of Boost.Context, plus about 2 ns for exception state and errno (bench/switch).
/// Source    DESIGN of folly::fibers for recycling, libdill for the control block at the stack's top.
class COIR_EXPORT FiberPool {
 public:
  /// Errors    none; stacks are made by acquire().
  explicit FiberPool(const StackOptions& options = {});
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  /// Binds the pool to this thread and its current stack. Only while no fiber but the host is running.
  void enter_thread() noexcept;

  /// A fiber that will run entry(argument) when it is first switched to.
  ///
  /// Suspends  never
  /// Errors    StackAllocationError
  Fiber& acquire(Entry entry, void* argument);

  /// Leaves the current fiber for `to`, and returns when somebody switches back to it.
  /// `to` must be suspended or not begun, of this pool, and not the current one.
  void switch_to(Fiber& to) noexcept;

  Fiber& host() noexcept;
  Fiber& current() noexcept;

  /// Gives memory of idle fibers back: keeps the `keep` warmest ones, and of those only the top `resident_bytes`.
  /// Cost      One madvise() for each idle fiber that has anything to give back.
  void trim(std::size_t keep, std::size_t resident_bytes) noexcept;

  FiberStats stats() const noexcept;
  std::size_t stack_bytes() const noexcept;

  /// For coir's runtime, which inlines the switch.
  struct Impl;
  Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Usable memory of the stack a fiber lives on; empty for a host.
COIR_EXPORT Stack stack_of(const Fiber& fiber) noexcept;
/// The argument of its assignment; null for a host and for an idle fiber.
COIR_EXPORT void* argument_of(const Fiber& fiber) noexcept;
/// The frame record {caller's frame pointer, return address} of the function that suspended it, for debuggers;
/// meaningful only while it is suspended.
COIR_EXPORT const void* frame_of(const Fiber& fiber) noexcept;
/// The fiber whose stack this is, if one was ever set up there. Async-signal-safe.
COIR_EXPORT const Fiber* fiber_on(const Stack& stack) noexcept;

/// What an overflow report is made of.
struct Overflow {
  const void* address;   ///< that was touched
  Stack stack;
  const void* argument;  ///< of the assignment, null if none
};
/// Writes about an overflow to stderr, by async-signal-safe means only.
using OverflowReporter = void (*)(const Overflow&) noexcept;

/// From here on a touch of any pool's guard is reported by `reporter` before the process dies of the signal; the
/// handler found in place is called next, and every other fault goes straight to it. Once a process; later calls only
/// replace the reporter. Also gives the calling thread an alternate signal stack if it has none, without which there
/// is no stack to run a handler on: call it on every thread that runs fibers.
COIR_EXPORT void report_overflows(OverflowReporter reporter);

}  // namespace coir::fibers
