// SPDX-License-Identifier: MIT
#include <coir/on_switch.hpp>

#include "loop_core.hpp"

namespace coir::detail {
namespace {

template <class Fn>
void guarded(LoopCore& core, Fn&& fn) noexcept {
  try {
    fn();
  } catch (...) {
    core.report({.message = "Exception in a save or restore of on_switch()", .exception = std::current_exception()});
  }
}

}  // namespace

void add_switch_hook(EventLoop& loop, std::unique_ptr<SwitchHook> hook) {
  LoopCore& core = loop.core_for("on_switch()");
  core.require_open("on_switch()");
  core.switch_hooks.push_back(std::move(hook));
  core.update_host_only();
  // SH1: the running task is inside already.
  if (running_loop == &core && current_task != nullptr) {
    guarded(core, [&] { core.switch_hooks.back()->enter(current_task); });
  }
}

void LoopCore::enter_hooks(const TaskState& task) noexcept {
  for (const auto& hook : switch_hooks) guarded(*this, [&] { hook->enter(&task); });
}

void LoopCore::leave_hooks(const TaskState& task) noexcept {
  for (const auto& hook : switch_hooks) guarded(*this, [&] { hook->leave(&task); });
}

void LoopCore::end_hooks(const TaskState& task) noexcept {
  leave_hooks(task);
  for (const auto& hook : switch_hooks) hook->forget(&task);
}

}  // namespace coir::detail
