// SPDX-License-Identifier: MIT
// The frames on a fiber's stack. Private to coir.
#pragma once

#include <cstddef>
#include <optional>

#include <coir/fibers/fiber.hpp>

namespace coir::fibers {

/// Writes an address inside each call on the stack of `fiber`, innermost first, up to `capacity`, and returns how many.
/// Of a suspended fiber the first is in the function that contains the switch. None: less than 16 KiB of it are free.
///
/// A suspended fiber does the walk itself: it is entered by Boost's resume_with(), whose function unwinds what is below
/// it and jumps straight back. That needs neither Boost's layout of saved registers nor an unwinder that starts
/// elsewhere. The function stays there, ready for the next walk, until somebody really switches to the fiber.
///
/// Threads   Those of the pool. Errors: none. Cost: two switches and about 100 ns for each frame.
COIR_EXPORT std::optional<std::size_t> backtrace(FiberPool& pool, Fiber& fiber, const void** addresses,
                                                 std::size_t capacity) noexcept;

/// Which frames of the running thread.
enum class Of {
  fiber,    ///< those on the stack of the running fiber
  callback  ///< those on whatever stack, up to the running fiber's, which such a call may have come from
};

/// For a signal handler: the same of the calls that it has interrupted, on the pool's thread.
/// Errors    none. Async-signal-safe behind prepare_backtrace() with glibc 2.35 or later, which finds unwind tables
///           without a lock; before, only unless another thread loads a library that waits for this one.
COIR_EXPORT std::size_t backtrace_interrupted(FiberPool& pool, Of of, const void** addresses,
                                              std::size_t capacity) noexcept;
/// What the unwinder does at its first use, and must not in a signal handler.
COIR_EXPORT void prepare_backtrace() noexcept;

}  // namespace coir::fibers
