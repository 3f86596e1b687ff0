// SPDX-License-Identifier: MIT
// The functions a task is in. Private to runtime/.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <coir/detail/task_state.hpp>
#include <coir/stack_frame.hpp>

namespace coir::detail {

/// What get_stack() returns, innermost first, after leaving out the `skip` innermost ones.
std::vector<StackFrame> frames_of(TaskState& task, std::optional<int> limit, int skip = 0);
/// Names for calls in a task, innermost first, as backtrace() gives their addresses; without the library's own at either
/// end and in between.
std::vector<StackFrame> name_task_frames(const void* const* addresses, std::size_t count);
/// The same for those in a callback; of a host, whose calls are behind it, all.
std::vector<StackFrame> name_callback_frames(const void* const* addresses, std::size_t count);
/// Errors    UsageError (wrong_thread) if the loop runs on another thread
void require_own_thread(const LoopCore& loop, const char* call);

}  // namespace coir::detail
