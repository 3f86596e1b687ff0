// SPDX-License-Identifier: MIT
// Deadlines in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <coir/detail/handle_node.hpp>

namespace coir::detail {

/// Min-heap of timers by (deadline, order of insertion), and a list of those whose deadline is not known yet. A cancelled
/// timer leaves at once.
///
/// Q1  Each node here has `timed` set and one reference held here; one in the heap has its place in `position`.
/// Q2  No entry of the heap is earlier than its parent, that of entry i being entry (i - 1) / 4.
/// Q3  A timer set by a delay is unsettled, in the list and in no order, until somebody has read the clock: settle() then
///     gives it its deadline. No timer can fire before the loop has read the clock anyway. So a turn reads the clock (22
///     to 40 ns in a virtual machine) once for most_unsettled timers that it sets, while those are still in the cache, and one
///     that is cancelled before that never enters the heap. Deadlines of one settle() rise by a nanosecond from timer to
///     timer, up to what the last one asked for: equal delays need no tie-break.
///
/// Cost      bench/timer_bench. Insert and cancel of a deadline later than most: constant; else O(log n), as is a pop.
///           When an eighth of all is due, they are sorted together instead of popped one by one.
///           Four children, which share a cache line. Of Boost's heaps those that can remove an entry take two to six
///           times as long (BASELINE), and one that only marks what is cancelled pays for it in every pop behind it.
/// Source    the heap: Williams, Algorithm 232; d children: Johnson 1975; building it anew: Floyd, Algorithm 245.
///           asyncio marks and sweeps in bulk instead. A time that is read once in a turn: libuv, libevent and nginx,
///           where it is that of the turn's beginning, so that timers fire early by what the turn has lasted.
class TimerQueue {
 public:
  static constexpr std::size_t most_unsettled = 64;  // Q3: with as many, the owner reads the clock
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  bool any_unsettled() const noexcept { return unsettled_ != nullptr; }
  std::size_t unsettled() const noexcept { return size_ - count_; }

  /// Takes the node's reference over. Errors: std::bad_alloc, and nothing is taken.
  void insert(TimerNode& node) {
    if (size_ + root >= quads_.size() * arity) grow();  // for the unsettled ones, too: settle() must not fail
    ++size_;
    node.sequence = next_sequence_++;
    node.timed = true;
    if (node.unsettled) {
      node.next = nullptr;
      node.previous = unsettled_ == nullptr ? nullptr : last_unsettled_;
      (unsettled_ == nullptr ? unsettled_ : last_unsettled_->next) = &node;
      last_unsettled_ = &node;
    } else {
      rise(count_++, {node.when, &node});
    }
  }
  /// Takes a node out that is `timed`; its reference goes to the caller.
  void remove(TimerNode& node) noexcept;
  /// Counts all unsettled delays from `now`, which the clock has just said.
  void settle(TimePoint now) noexcept;

  /// Of the earliest timer. All must be settled, here and below.
  std::optional<TimePoint> next_deadline() const noexcept {
    COIR_ASSERT(!any_unsettled(), "Q3: the next deadline asked for before the clock was");
    return empty() ? std::nullopt : std::optional(quads_.front().entries[root].when);
  }
  /// Moves what is due at `now` to `ready`, in order; its reference goes along.
  void take_due(TimePoint now, NodeQueue& ready) noexcept;
  /// Drops everything.
  void clear() noexcept;

 private:
  static constexpr std::size_t arity = 4;
  static constexpr std::size_t root = arity - 1;  // where entry 0 is, so that siblings begin at a multiple of four

  struct Entry {
    TimePoint when;
    TimerNode* node;
    bool earlier_than(const Entry& other) const noexcept {
      if (when == other.when) [[unlikely]] return node->sequence < other.node->sequence;
      return when < other.when;
    }
  };
  struct alignas(64) Quad {
    Entry entries[arity];
  };

  static_assert(sizeof(Quad) == arity * sizeof(Entry));

  Entry& at(std::size_t i) noexcept {
    Entry* const entries = quads_.front().entries;  // and those of all quads behind it: one array, but for its type
    return entries[i + root];
  }
  void place(std::size_t i, const Entry& entry) noexcept {
    at(i) = entry;
    entry.node->position = i;
  }
  /// Puts the entry at place i, or where it belongs above.
  void rise(std::size_t i, const Entry& entry) noexcept {
    while (i != 0) {
      const std::size_t parent = (i - 1) / arity;
      if (!entry.earlier_than(at(parent))) break;
      place(i, at(parent));
      i = parent;
    }
    place(i, entry);
  }
  void sink(std::size_t i, const Entry& entry) noexcept;
  void grow();
  std::size_t count_due(std::size_t i, TimePoint now, std::size_t enough) noexcept;
  void take_many(TimePoint now, NodeQueue& ready) noexcept;
  static void make_ready(TimerNode& node, NodeQueue& ready) noexcept;

  std::vector<Quad> quads_;
  std::size_t count_ = 0;  // in the heap
  std::size_t size_ = 0;   // those, and the unsettled ones
  std::uint64_t next_sequence_ = 0;
  HandleNode* unsettled_ = nullptr;       // Q3; linked both ways, in order of insertion
  HandleNode* last_unsettled_ = nullptr;  // valid unless unsettled_ is null
};

}  // namespace coir::detail
