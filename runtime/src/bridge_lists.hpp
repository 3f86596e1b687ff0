// SPDX-License-Identifier: MIT
// Which bridges there are, for those who ask. Private to runtime/.
#pragma once

#include <string>

#include <coir/detail/bridge_base.hpp>

namespace coir::detail {

class BridgeLists {
 public:
  /// Loop's thread: into the list of its loop.
  static void enter_loop(BridgeBase& bridge) noexcept;
  static void leave_loop(BridgeBase& bridge) noexcept;
  /// Any thread.
  static void enter_abandoned(BridgeBase& bridge) noexcept;
  static void leave_abandoned(BridgeBase& bridge) noexcept;

  /// One line for each callback that a task of this loop waits for, for the report of a deadlock.
  static std::string describe(const LoopCore& core);
  static void count_stray(Stray kind, SourceLocation where) noexcept;
};

/// By the loop's clock; to the millisecond or so, because a bridge must not cost a reading of the real one.
TimePoint coarse_now(LoopCore& core) noexcept;

}  // namespace coir::detail
