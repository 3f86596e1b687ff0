// SPDX-License-Identifier: MIT
#include <coir/handle.hpp>

#include "loop_core.hpp"

namespace coir {

void Handle::cancel() {
  if (!node_ || node_->cancelled.load(std::memory_order_relaxed)) return;
  node_->cancelled.store(true, std::memory_order_release);
  if (node_->shared) return;  // this may be another thread: the loop drops the callable when it comes to the node
  if (node_->timed) {
    auto& timer = static_cast<detail::TimerNode&>(*node_);
    timer.loop->timers.remove(timer);
    timer.loop->touch();
    const auto keep = detail::Ref<detail::TimerNode>::adopt(&timer);  // the heap's reference; dropping may end this handle
    timer.drop();
    return;
  }
  if (!node_->running) node_->drop();
}

TimePoint TimerHandle::when() const noexcept {
  const auto& timer = static_cast<const detail::TimerNode&>(*node_);
  if (timer.unsettled) [[unlikely]] {
    // One that has been cancelled, perhaps with its loop, counted from when nobody had looked at the clock yet.
    if (!timer.timed) return std::chrono::steady_clock::now() + timer.when.time_since_epoch();
    timer.loop->read_clock();
  }
  return timer.when;
}

Context Handle::get_context() const {
  return Context(detail::Ref<detail::ContextObject>(&node_->context.object()));
}

bool Handle::cancelled() const noexcept { return node_ && node_->cancelled.load(std::memory_order_relaxed); }

}  // namespace coir
