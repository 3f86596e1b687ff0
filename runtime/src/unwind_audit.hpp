// SPDX-License-Identifier: MIT
// Debug mode's look at what a cancellation is about to unwind. Private to runtime/.
#pragma once

#include <coir/detail/task_state.hpp>

namespace coir::detail {

/// An await of `task`, which runs, is about to throw a CancelledError: logs, once for each call into C, what C frames are
/// between here and the handler that will catch it. C code has no clean-up: what such a frame holds stays held.
///
/// Errors    std::bad_alloc. Not noexcept, and that it may throw is what the answer rests upon: in the tables of a caller a
///           call that cannot throw is one where an exception ends the program.
/// Cost      a walk over the stack. For a place that it has not seen yet symbols are read: milliseconds, or a second
///           the first time if a large library has debug information
void audit_cancellation(const TaskState& task);

}  // namespace coir::detail
