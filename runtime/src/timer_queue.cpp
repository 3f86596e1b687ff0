// SPDX-License-Identifier: MIT
#include "timer_queue.hpp"

#include <new>

namespace coir::detail {

void TimerQueue::discard(TimerNode& node) noexcept {
  node.timed = false;
  node.drop();
  node.release();
}

void TimerQueue::sweep() {
  const auto is_cancelled = [](const Entry& entry) { return entry.node->cancelled.load(std::memory_order_relaxed); };
  std::vector<Entry> live;
  std::vector<TimerNode*> gone;
  live.reserve(heap_.size() - cancelled_);
  gone.reserve(cancelled_);
  for (const Entry& entry : heap_) {
    if (is_cancelled(entry)) {
      gone.push_back(entry.node);
    } else {
      live.push_back(entry);
    }
  }
  heap_.clear();  // keeps its memory: pushing back less than there was cannot fail
  for (const Entry& entry : live) heap_.push(entry);
  cancelled_ = 0;
  for (TimerNode* node : gone) discard(*node);
}

void TimerQueue::prune() noexcept {
  if (heap_.size() > sweep_minimum && cancelled_ * 2 > heap_.size()) {
    try {
      sweep();
    } catch (const std::bad_alloc&) {  // no memory to sweep with: nothing was touched, a later turn tries again
    }
  }
  while (!heap_.empty() && heap_.top().node->cancelled.load(std::memory_order_relaxed)) {
    TimerNode& node = *heap_.top().node;
    heap_.pop();
    --cancelled_;
    discard(node);
  }
}

void TimerQueue::take_due(TimePoint now, NodeQueue& ready) {
  while (!heap_.empty() && heap_.top().when <= now) {
    TimerNode& node = *heap_.top().node;
    heap_.pop();
    if (node.cancelled.load(std::memory_order_relaxed)) {
      --cancelled_;
      discard(node);
      continue;
    }
    node.timed = false;
    node.queued = true;
    ready.push(node);
  }
}

void TimerQueue::clear() noexcept {
  while (!heap_.empty()) {
    TimerNode& node = *heap_.top().node;
    heap_.pop();
    discard(node);
  }
  cancelled_ = 0;
}

}  // namespace coir::detail
