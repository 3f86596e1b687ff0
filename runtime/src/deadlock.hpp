// SPDX-License-Identifier: MIT
// Private to runtime/.
#pragma once

#include <string>

namespace coir::detail {

class LoopCore;
class TaskState;

/// Every unfinished task and what it waits for, and who waits for whom in a circle, if they do.
std::string describe_deadlock(const LoopCore& core);

/// "Future created at app.cpp:7", and what that waits for in turn, as far as it knows.
std::string describe_wait(const TaskState& task);

/// Whether this process has but one thread, so that nobody can call call_soon_threadsafe().
bool is_only_thread() noexcept;

}  // namespace coir::detail
