// SPDX-License-Identifier: MIT
#include "timer_queue.hpp"

namespace coir::detail {

void TimerQueue::discard(TimerNode& node) noexcept {
  node.timed = false;
  node.drop();
  node.release();
}

void TimerQueue::prune() {
  if (heap_.size() > sweep_minimum && cancelled_ * 2 > heap_.size()) {
    std::vector<Entry> live;
    live.reserve(heap_.size() - cancelled_);
    for (const Entry& entry : heap_) {
      if (!entry.node->cancelled.load(std::memory_order_relaxed)) live.push_back(entry);
    }
    std::vector<TimerNode*> gone;
    gone.reserve(cancelled_);
    for (const Entry& entry : heap_) {
      if (entry.node->cancelled.load(std::memory_order_relaxed)) gone.push_back(entry.node);
    }
    heap_.clear();
    for (const Entry& entry : live) heap_.push(entry);
    cancelled_ = 0;
    for (TimerNode* node : gone) discard(*node);
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
