// SPDX-License-Identifier: MIT
// Private to runtime/.
#pragma once

#include <coir/detail/task_state.hpp>
#include <coir/no_await.hpp>

namespace coir::detail {

/// The scopes of this thread, for those who find current_task null.
///
/// Within a scope the task cannot suspend, so the scopes of a thread nest; a task started eagerly inside one has
/// current_task set, and its scopes end before its creator goes on.
struct NoAwaitAccess {
  /// Null: no scope keeps the running task from awaiting.
  static TaskState* task() noexcept { return innermost != nullptr ? innermost->task_ : nullptr; }
  static const char* reason() noexcept { return innermost->reason_; }
  static SourceLocation where() noexcept { return innermost->where_; }
  static COIR_TLS NoAwait* innermost;
};

}  // namespace coir::detail
