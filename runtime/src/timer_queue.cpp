// SPDX-License-Identifier: MIT
#include "timer_queue.hpp"

#include <algorithm>
#include <utility>

namespace coir::detail {

void TimerQueue::grow() { quads_.resize(std::max<std::size_t>(16, quads_.size() * 2)); }

/// Puts the entry at place i, or where it belongs below. The hole goes all the way down along the earliest children
/// first: the entry was one of the last, and mostly belongs there.
void TimerQueue::sink(std::size_t i, const Entry& entry) noexcept {
  const std::size_t top = i;
  for (std::size_t first = i * arity + 1; first < count_; first = i * arity + 1) {
    std::size_t earliest = first;
    if (first + arity <= count_) [[likely]] {
      // Without branches, which would be mispredicted.
      const std::size_t left = first + (at(first + 1).earlier_than(at(first)) ? 1 : 0);
      const std::size_t right = first + 2 + (at(first + 3).earlier_than(at(first + 2)) ? 1 : 0);
      earliest = at(right).earlier_than(at(left)) ? right : left;
    } else {
      for (std::size_t child = first + 1; child < count_; ++child) {
        if (at(child).earlier_than(at(earliest))) earliest = child;
      }
    }
    place(i, at(earliest));
    i = earliest;
  }
  while (i != top) {
    const std::size_t parent = (i - 1) / arity;
    if (!entry.earlier_than(at(parent))) break;
    place(i, at(parent));
    i = parent;
  }
  place(i, entry);
}

void TimerQueue::remove(TimerNode& node) noexcept {
  const std::size_t hole = node.position;
  COIR_ASSERT(node.timed && hole < count_ && at(hole).node == &node, "Q1: a timer that is not where it says");
  node.timed = false;
  const Entry last = at(--count_);
  if (hole == count_) return;
  if (hole != 0 && last.earlier_than(at((hole - 1) / arity))) {
    rise(hole, last);
  } else {
    sink(hole, last);
  }
}

void TimerQueue::take_due(TimePoint now, NodeQueue& ready) noexcept {
  while (!empty() && at(0).when <= now) {
    TimerNode& node = *at(0).node;
    remove(node);
    if (!empty()) __builtin_prefetch(at(0).node, 1);
    node.queued = true;
    ready.push(node);
  }
}

void TimerQueue::clear() noexcept {
  while (!empty()) {
    TimerNode& node = *at(count_ - 1).node;
    remove(node);
    node.drop();
    node.release();
  }
}

}  // namespace coir::detail
