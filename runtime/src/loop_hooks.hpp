// SPDX-License-Identifier: MIT
// What runs right before and right after a loop polls. Private to runtime/.
#pragma once

#include <vector>

#include <coir/detail/handle_node.hpp>

namespace coir::detail {

class LoopCore;

/// The hooks of one loop. They may add and cancel hooks: who is added runs from the next time on.
class LoopHooks {
 public:
  LoopHooks() = default;
  ~LoopHooks() { drop_all(); }
  LoopHooks(const LoopHooks&) = delete;
  LoopHooks& operator=(const LoopHooks&) = delete;

  /// Takes the node's reference over.
  void add_prepare(PrepareNode& node);
  void add_check(HandleNode& node);
  /// Runs the hooks of the one kind or the other. What they throw is reported as of any callback.
  /// The earliest moment that one of them asks for; TimePoint::max() if none does.
  TimePoint prepare(LoopCore& core);
  void check(LoopCore& core);
  bool any_prepare() const noexcept { return !prepares_.empty(); }
  void drop_all() noexcept;

 private:
  using Nodes = std::vector<HandleNode*>;  // each with a reference
  template <class Ran>
  void run(LoopCore& core, Nodes& nodes, Ran&& ran);

  Nodes prepares_;
  Nodes checks_;
  int passes_ = 0;  // under way: a hook may run a loop that pumps, and so runs the hooks again
};

}  // namespace coir::detail
