// SPDX-License-Identifier: MIT
// Deadlines in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <coir/detail/handle_node.hpp>

namespace coir::detail {

/// Min-heap of timers by (deadline, order of insertion). A cancelled timer leaves it at once.
///
/// Q1  Each node in the heap has `timed` set, its place in `position`, and one reference held here.
/// Q2  No entry is earlier than its parent, that of entry i being entry (i - 1) / 4.
///
/// Cost      bench/timer_bench. Insert and cancel of a deadline later than most: constant; else O(log n), as is a pop.
///           Four children, which share a cache line. Of Boost's heaps those that can remove an entry take two to six
///           times as long (BASELINE), and one that only marks what is cancelled pays for it in every pop behind it.
/// Source    the heap: Williams, Algorithm 232; d children: Johnson 1975. asyncio marks and sweeps in bulk instead.
class TimerQueue {
 public:
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }

  /// Takes the node's reference over. Errors: std::bad_alloc, and nothing is taken.
  void insert(TimerNode& node) {
    if (count_ + root >= quads_.size() * arity) grow();
    node.sequence = next_sequence_++;
    node.timed = true;
    rise(count_++, {node.when, &node});
  }
  /// Takes a node out that is `timed`; its reference goes to the caller.
  void remove(TimerNode& node) noexcept;

  /// Of the earliest timer.
  std::optional<TimePoint> next_deadline() const noexcept {
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

  std::vector<Quad> quads_;
  std::size_t count_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace coir::detail
