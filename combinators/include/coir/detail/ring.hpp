// SPDX-License-Identifier: MIT
// First in, first out, in one block of memory.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace coir::detail {

/// A growing ring buffer. std::deque allocates a block for every few items that pass through it; this allocates only
/// when there are more items than ever before, and keeps that room.
///
/// R1  capacity_ is zero or a power of two; the items are at first_, first_ + 1, ... modulo capacity_, size_ of them.
///
/// Errors    push() has no effect if it throws, as far as T's own operations can be undone: growing copies a T whose
/// move
///           may throw, if it can be copied (std::move_if_noexcept).
template <class T>
class Ring {
 public:
  Ring() noexcept = default;
  Ring(Ring&& other) noexcept
      : slots_(std::exchange(other.slots_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)),
        first_(std::exchange(other.first_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  Ring& operator=(Ring&&) = delete;
  ~Ring() {
    while (size_ != 0) pop();
    if (capacity_ != 0) std::allocator<T>().deallocate(slots_, capacity_);
  }

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  T& front() noexcept { return slots_[first_]; }

  /// `item` must not be in here.
  template <class U>
  void push(U&& item) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    std::construct_at(&slot(size_), std::forward<U>(item));
    ++size_;
  }
  void pop() noexcept {
    T& item = front();
    first_ = (first_ + 1) & (capacity_ - 1);
    --size_;
    std::destroy_at(&item);
  }

 private:
  T& slot(std::size_t index) noexcept { return slots_[(first_ + index) & (capacity_ - 1)]; }
  void grow() {
    std::allocator<T> allocator;
    const std::size_t capacity = capacity_ != 0 ? 2 * capacity_ : 8;
    T* const slots = allocator.allocate(capacity);
    std::size_t moved = 0;
    try {
      for (; moved < size_; ++moved) std::construct_at(slots + moved, std::move_if_noexcept(slot(moved)));
    } catch (...) {
      std::destroy_n(slots, moved);
      allocator.deallocate(slots, capacity);
      throw;
    }
    for (std::size_t i = 0; i < size_; ++i) std::destroy_at(&slot(i));
    if (capacity_ != 0) allocator.deallocate(slots_, capacity_);
    slots_ = slots;
    capacity_ = capacity;
    first_ = 0;
  }

  T* slots_ = nullptr;
  std::size_t capacity_ = 0;  // R1
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace coir::detail
