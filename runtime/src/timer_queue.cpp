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
  COIR_ASSERT(node.timed, "Q1: removed twice");
  node.timed = false;
  --size_;
  if (node.unsettled) {
    (node.previous == nullptr ? unsettled_ : node.previous->next) = node.next;
    (node.next == nullptr ? last_unsettled_ : node.next->previous) = node.previous;
    return;
  }
  const std::size_t hole = node.position;
  COIR_ASSERT(hole < count_ && at(hole).node == &node, "Q1: a timer that is not where it says");
  const Entry last = at(--count_);
  if (hole == count_) return;
  if (hole != 0 && last.earlier_than(at((hole - 1) / arity))) {
    rise(hole, last);
  } else {
    sink(hole, last);
  }
}

void TimerQueue::settle(TimePoint now) noexcept {
  // More than a nanosecond lies between two calls that set a timer, so none becomes earlier than was asked for.
  TimePoint from = now - Duration(size_ - count_ - 1);
  for (HandleNode* link = std::exchange(unsettled_, nullptr); link != nullptr; from += Duration(1)) {
    auto& node = static_cast<TimerNode&>(*std::exchange(link, link->next));
    node.when = from + node.when.time_since_epoch();
    node.unsettled = false;
    rise(count_++, {node.when, &node});
  }
}

void TimerQueue::make_ready(TimerNode& node, NodeQueue& ready) noexcept {
  node.timed = false;
  node.queued = true;
  ready.push(node);
}

void TimerQueue::take_due(TimePoint now, NodeQueue& ready) noexcept {
  constexpr std::size_t few = 64;
  for (std::size_t taken = 0; !empty() && at(0).when <= now; ++taken) {
    if (taken == few && count_due(0, now, count_ / 8 + 1) > count_ / 8) return take_many(now, ready);
    TimerNode& node = *at(0).node;
    remove(node);
    if (!empty()) __builtin_prefetch(at(0).node, 1);
    make_ready(node, ready);
  }
}

/// How many of entry i and those below it are due, but no more than `enough`: they lie together at the top.
std::size_t TimerQueue::count_due(std::size_t i, TimePoint now, std::size_t enough) noexcept {
  if (i >= count_ || at(i).when > now) return 0;
  std::size_t due = 1;
  for (std::size_t child = i * arity + 1; child <= i * arity + arity && due < enough; ++child) {
    due += count_due(child, now, enough - due);
  }
  return due;
}

/// The same as popping each, for a number that is a good part of all: they are sorted, and what is left is made a heap.
void TimerQueue::take_many(TimePoint now, NodeQueue& ready) noexcept {
  Entry* const first = &at(0);
  Entry* const last = first + count_;
  Entry* const due = std::partition(first, last, [now](const Entry& entry) { return entry.when > now; });
  std::sort(due, last, [](const Entry& a, const Entry& b) { return a.earlier_than(b); });
  size_ -= static_cast<std::size_t>(last - due);
  count_ = static_cast<std::size_t>(due - first);
  for (std::size_t i = count_; i-- != 0;) sink(i, Entry(at(i)));
  constexpr std::ptrdiff_t ahead = 8;  // nodes lie anywhere in memory: a few are fetched at the same time
  for (Entry* entry = due; entry != last; ++entry) {
    if (last - entry > ahead) __builtin_prefetch(&entry[ahead].node->next, 1);
    make_ready(*entry->node, ready);
  }
}

void TimerQueue::clear() noexcept {
  const auto discard = [this](TimerNode& node) {
    remove(node);
    node.drop();
    node.release();
  };
  while (any_unsettled()) discard(static_cast<TimerNode&>(*last_unsettled_));
  while (count_ != 0) discard(*at(count_ - 1).node);
}

}  // namespace coir::detail
