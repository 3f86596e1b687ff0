// SPDX-License-Identifier: MIT
// Which bridges there are, for those who ask. Private to runtime/.
#pragma once

#include <string>

#include <coir/detail/bridge_base.hpp>

#include "loop_core.hpp"

namespace coir::detail {

class BridgeLists {
 public:
  /// Loop's thread: into the list of its loop.
  static void enter_loop(BridgeBase& bridge) noexcept;
  static void leave_loop(BridgeBase& bridge) noexcept;
  /// Loop's thread, when it is about to wait: says how old the bridges are that were made since it did so last. Nothing
  /// else needs to know, and a reading of the clock for each would cost a tenth of a bridge.
  static void stamp(BridgeBase& newest, TimePoint now) noexcept;
  /// Any thread.
  static void enter_abandoned(BridgeBase& bridge) noexcept;
  static void leave_abandoned(BridgeBase& bridge) noexcept;

  /// One line for each callback that a task of this loop waits for, for the report of a deadlock.
  static std::string describe(const LoopCore& core);
  static void count_stray(Stray kind, SourceLocation where) noexcept;
};

// Inlined into what every bridge does.

inline void BridgeLists::enter_loop(BridgeBase& bridge) noexcept {
  LoopCore& core = *bridge.loop_;
  bridge.older_ = core.newest_bridge;
  bridge.newer_ = nullptr;
  if (core.newest_bridge != nullptr) core.newest_bridge->newer_ = &bridge;
  core.newest_bridge = &bridge;
  bridge.listed_ = BridgeBase::List::loop;
}

inline void BridgeLists::leave_loop(BridgeBase& bridge) noexcept {
  if (bridge.listed_ != BridgeBase::List::loop) return;
  if (bridge.newer_ != nullptr) bridge.newer_->older_ = bridge.older_;
  if (bridge.older_ != nullptr) bridge.older_->newer_ = bridge.newer_;
  if (bridge.loop_->newest_bridge == &bridge) bridge.loop_->newest_bridge = bridge.older_;
  bridge.listed_ = BridgeBase::List::none;
}

inline BridgeBase::BridgeBase(LoopCore& loop, const char* kind, std::string_view given_name, SourceLocation where)
    : HandleNode(Role::callback, where), loop_(&loop) {
  HandleNode::name = kind;
  shared = true;
  persistent = true;  // so that drop() is called by a closing loop only
  refs = 2;           // E1
  BridgeLists::enter_loop(*this);
  if (!given_name.empty()) copy_name(given_name);
}

inline void BridgeBase::drop_kept() noexcept {
  while (Kept* object = kept_) {
    kept_ = object->next;
    delete object;
  }
}

inline BridgeBase::~BridgeBase() {
  COIR_ASSERT(listed_ != List::loop, "E2: a bridge that its loop still knows was destroyed");
  if (listed_ == List::abandoned) BridgeLists::leave_abandoned(*this);
  drop_kept();
}

inline void BridgeBase::leave_loop() noexcept { BridgeLists::leave_loop(*this); }

}  // namespace coir::detail
