// SPDX-License-Identifier: MIT
// The functions a task is in. Private to runtime/.
#pragma once

#include <optional>
#include <vector>

#include <coir/detail/task_state.hpp>
#include <coir/stack_frame.hpp>

namespace coir::detail {

/// What get_stack() returns, innermost first, after leaving out the `skip` innermost ones.
std::vector<StackFrame> frames_of(TaskState& task, std::optional<int> limit, int skip = 0);
/// Errors    UsageError (wrong_thread) if the loop runs on another thread
void require_own_thread(const LoopCore& loop, const char* call);

}  // namespace coir::detail
