// SPDX-License-Identifier: MIT
// Memory for the small objects that every spawn, callback and await makes and drops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <coir/detail/export.hpp>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COIR_RECYCLE 0  // a recycled block would hide a use after free
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define COIR_RECYCLE 0
#endif
#endif
#ifndef COIR_RECYCLE
#define COIR_RECYCLE 1
#endif

namespace coir::detail {

/// Freed blocks of one thread, by size, for its next allocations.
///
/// K1  Every block comes from ::operator new and may go to ::operator delete: what one piece of code recycles another,
///     built with a sanitizer, may free. A block's size is that of its class.
/// K2  Each class keeps at most `limit` blocks: base_bytes of them, and as many as this thread had to get from
///     ::operator new. So a thread that frees what it has made keeps all of it; trim() takes that back, bit by bit.
/// K3  What a thread frees beyond that was made by others: it goes in batches to a depot that all threads share, and
///     they take from there before they ask ::operator new. The depot is bounded, too.
/// K4  `room` is zero before the thread has made or freed a block, when the class is full, and for ever once the thread
///     ends: then freeing takes the slow path. Under Valgrind's Memcheck it stays zero.
///
/// Cost      bench/await_bench create_future: 1.2 r.
struct Recycler {
  static constexpr std::size_t unit = 32;  // bytes from class to class
  static constexpr std::size_t classes = 16;
  static constexpr std::size_t base_bytes = std::size_t{128} << 10;

  struct Block {
    Block* next;
  };
  struct Class {
    Block* first;
    std::size_t room;   // K4, in blocks: limit less what is kept
    std::size_t limit;  // K2
  };
  Class blocks[classes];
  enum class Thread : std::uint8_t { fresh, enrolled, gone } thread;

  /// Gives seven eighths of what is kept beyond base_bytes back to the heap. For a loop that is about to sleep, now and
  /// then. Cost: that of operator delete for each.
  COIR_EXPORT void trim() noexcept;
  /// Whether trim() has something to do.
  COIR_EXPORT bool has_excess() const noexcept;
};

/// Zero-initialised; emptied when the thread ends.
extern COIR_EXPORT COIR_TLS Recycler recycler;

/// A block of a class that has none: from the depot, or the heap.
COIR_EXPORT void* allocate_block(std::size_t index);
/// Frees a block whose class has no room, or makes the thread's room first.
COIR_EXPORT void free_without_room(void* memory, std::size_t index) noexcept;

/// Base of what is recycled. Derived classes may be over-aligned: those are not.
struct Recycled {
  static void* operator new(std::size_t bytes) {
    const std::size_t index = (bytes - 1) / Recycler::unit;
    if (!COIR_RECYCLE || index >= Recycler::classes) return ::operator new(bytes);
    Recycler::Class& of_size = recycler.blocks[index];
    Recycler::Block* const block = of_size.first;
    if (block == nullptr) [[unlikely]] return allocate_block(index);
    of_size.first = block->next;
    ++of_size.room;
    return block;
  }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    const std::size_t index = (bytes - 1) / Recycler::unit;
    if (!COIR_RECYCLE || index >= Recycler::classes) return ::operator delete(memory);
    Recycler::Class& of_size = recycler.blocks[index];
    if (of_size.room == 0) [[unlikely]] return free_without_room(memory, index);
    --of_size.room;
    of_size.first = ::new (memory) Recycler::Block{of_size.first};
  }
  static void* operator new(std::size_t bytes, std::align_val_t alignment) { return ::operator new(bytes, alignment); }
  static void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    ::operator delete(memory, alignment);
  }
};

}  // namespace coir::detail
