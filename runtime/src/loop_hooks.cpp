// SPDX-License-Identifier: MIT
#include "loop_hooks.hpp"

#include <algorithm>
#include <utility>

#include "loop_core.hpp"

namespace coir::detail {

void LoopHooks::add_prepare(PrepareNode& node) { prepares_.push_back(&node); }
void LoopHooks::add_check(HandleNode& node) { checks_.push_back(&node); }

template <class Ran>
void LoopHooks::run(LoopCore& core, Nodes& nodes, Ran&& ran) {
  ++passes_;
  const std::size_t count = nodes.size();
  for (std::size_t i = 0; i < count; ++i) {
    HandleNode& node = *nodes[i];
    if (node.cancelled.load(std::memory_order_relaxed)) continue;
    node.retain();  // as a ready queue would
    core.run_callback(node);
    ran(node);
  }
  if (--passes_ != 0) return;  // somebody further out is on his way through the same nodes
  std::erase_if(nodes, [](HandleNode* node) {
    if (!node->cancelled.load(std::memory_order_relaxed)) return false;
    node->release();
    return true;
  });
}

TimePoint LoopHooks::prepare(LoopCore& core) {
  TimePoint earliest = TimePoint::max();
  run(core, prepares_, [&](const HandleNode& node) {
    earliest = std::min(earliest, static_cast<const PrepareNode&>(node).deadline);
  });
  return earliest;
}

void LoopHooks::check(LoopCore& core) {
  run(core, checks_, [](const HandleNode&) {});
}

void LoopHooks::drop_all() noexcept {
  for (Nodes* nodes : {&prepares_, &checks_}) {
    for (HandleNode* node : std::exchange(*nodes, {})) {
      node->drop();
      node->release();
    }
  }
}

}  // namespace coir::detail
