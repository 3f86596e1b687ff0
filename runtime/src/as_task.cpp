// SPDX-License-Identifier: MIT
#include <coir/as_task.hpp>

#include "bridge_lists.hpp"
#include "loop_core.hpp"

namespace coir::detail {

LoopDoor::LoopDoor() : inbox_(require_running_loop("as_task()").inbox) {}

EventLoop* LoopDoor::here() const noexcept {
  return running_loop != nullptr && running_loop->inbox == inbox_ ? running_loop->owner : nullptr;
}

void LoopDoor::post(HandleNode* node, SourceLocation where) const noexcept {
  node->shared = true;
  node->name = "as_task";
  node->queued = true;
  if (inbox_->push(*node)) return;
  BridgeLists::count_stray(Stray::after_close, where);
  node->release();
}

}  // namespace coir::detail
