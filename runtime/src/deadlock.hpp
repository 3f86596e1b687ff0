// SPDX-License-Identifier: MIT
// Private to runtime/.
#pragma once

#include <string>

namespace coir::detail {

class LoopCore;

/// Every unfinished task and what it waits for, and who waits for whom in a circle, if they do.
std::string describe_deadlock(const LoopCore& core);

/// Whether this process has but one thread, so that nobody can call call_soon_threadsafe().
bool is_only_thread() noexcept;

}  // namespace coir::detail
