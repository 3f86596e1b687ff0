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

/// A thread that never wakes a loop which sleeps, while it exists: it is none of those that is_only_thread() looks for.
/// Made and destroyed by that thread: one that were counted before it exists, or afterwards, would hide another one. In
/// the moments before and behind, a deadlock is not noticed.
class Bystander {
 public:
  Bystander() noexcept;
  ~Bystander();
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  /// In the child of a fork(), which has none of them.
  static void forget_all() noexcept;
};

/// Whether this process has but one thread, bystanders aside, so that nobody can call call_soon_threadsafe().
bool is_only_thread() noexcept;

}  // namespace coir::detail
