// SPDX-License-Identifier: MIT
#include <coir/detail/recycler.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <utility>

#include "sanitizer.hpp"

namespace coir::detail {

COIR_TLS Recycler recycler;

namespace {

using Block = Recycler::Block;

constexpr std::size_t cache_line = 64;
constexpr std::size_t bytes_of(std::size_t index) noexcept { return (index + 1) * Recycler::unit; }
constexpr std::size_t base_of(std::size_t index) noexcept { return Recycler::base_bytes / bytes_of(index); }

/// How many blocks more are kept than what every thread may keep.
std::size_t excess_of(const Recycler::Class& of_size, std::size_t index) noexcept {
  const std::size_t kept = of_size.limit - of_size.room;
  return kept - std::min(kept, base_of(index));
}

void free_all(Block* block) noexcept {
  while (block != nullptr) ::operator delete(std::exchange(block, block->next));
}

/// Blocks on their way from threads that free more than they make to threads that make more than they free. Batches, so
/// that its lock is taken once for each `batch` blocks. Lives for ever: threads may end after static destruction.
class Depot {
 public:
  static constexpr std::size_t batch = 64;

  /// Takes the first `batch` blocks of a list, which has more; to the heap with them if it is full.
  void put(std::size_t index, Block*& list) noexcept {
    std::array<void*, batch> blocks;
    for (void*& block : blocks) block = std::exchange(list, list->next);
    Parcel* next = nullptr;
    for (std::size_t i = batch; i-- > 0;) {
      const auto at = [&](std::size_t place) { return place < batch ? blocks[place] : nullptr; };
      next = ::new (blocks[i]) Parcel{next, at(i + fetch_ahead), nullptr};
    }
    Shelf& shelf = shelves_[index];
    {
      const Locked locked(shelf);
      if (shelf.count < most_batches) {
        next->next_batch = std::exchange(shelf.first, next);
        shelf.count.store(shelf.count + 1, std::memory_order_relaxed);
        return;
      }
    }
    for (void* const block : blocks) ::operator delete(block);
  }
  /// A batch as a list, or null.
  Block* take(std::size_t index) noexcept {
    Shelf& shelf = shelves_[index];
    if (shelf.count.load(std::memory_order_relaxed) == 0) return nullptr;
    Parcel* first;
    {
      const Locked locked(shelf);
      first = shelf.first;
      if (first == nullptr) return nullptr;
      shelf.first = first->next_batch;
      shelf.count.store(shelf.count - 1, std::memory_order_relaxed);
    }
    return unpack(first, bytes_of(index));
  }

 private:
  static constexpr std::size_t most_batches = 64;

  /// A block in a batch. Its bytes are in the cache of the CPU that has freed it, 50 to 250 ns away: it names one that
  /// lies further on, so that who takes the batch waits for several at a time.
  struct Parcel {
    Parcel* next;
    void* ahead;         // null near the end
    Parcel* next_batch;  // valid in the first of a batch
  };
  static constexpr std::size_t fetch_ahead = 8;
  static_assert(sizeof(Parcel) <= Recycler::unit);
  static Block* unpack(Parcel* parcel, std::size_t bytes) noexcept {
    Block* const first = reinterpret_cast<Block*>(parcel);
    while (parcel != nullptr) {
      if (const char* const ahead = static_cast<const char*>(parcel->ahead)) {
        for (std::size_t i = 0; i < bytes; i += cache_line) __builtin_prefetch(ahead + i, 1);
      }
      Parcel* const next = parcel->next;
      ::new (static_cast<void*>(parcel)) Block{reinterpret_cast<Block*>(next)};
      parcel = next;
    }
    return first;
  }

  struct alignas(cache_line) Shelf {
    std::atomic_flag busy;
    std::atomic<std::size_t> count{0};
    Parcel* first = nullptr;
  };
  /// Held for a few instructions.
  class Locked {
   public:
    explicit Locked(Shelf& shelf) noexcept : shelf_(shelf) {
      while (shelf_.busy.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked() { shelf_.busy.clear(std::memory_order_release); }

   private:
    Shelf& shelf_;
  };

  Shelf shelves_[Recycler::classes];
};

constinit Depot depot;

/// Gives everything back when the thread ends. Destructors of other thread_locals that run later find no room.
struct Reaper {
  Reaper() noexcept = default;
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() {
    recycler.thread = Recycler::Thread::gone;
    for (Recycler::Class& of_size : recycler.blocks) {
      of_size.room = of_size.limit = 0;
      free_all(std::exchange(of_size.first, nullptr));
    }
  }
  void touch() noexcept {}  // constructs it, which registers the destructor
};

thread_local Reaper reaper;

/// Whether this thread may keep blocks.
bool enrolled() noexcept {
  if (recycler.thread == Recycler::Thread::enrolled) [[likely]] return true;
  if (recycler.thread == Recycler::Thread::gone || fibers::sanitizer::under_memcheck()) return false;
  recycler.thread = Recycler::Thread::enrolled;
  reaper.touch();
  for (std::size_t i = 0; i < Recycler::classes; ++i) recycler.blocks[i].room = recycler.blocks[i].limit = base_of(i);
  return true;
}

}  // namespace

void* allocate_block(std::size_t index) {
  if (Block* const blocks = depot.take(index)) {
    if (!enrolled()) {
      free_all(blocks->next);
      return blocks;
    }
    Recycler::Class& of_size = recycler.blocks[index];
    of_size.first = blocks->next;
    of_size.limit += Depot::batch;  // they are this thread's from now on
    ++of_size.room;
    return blocks;
  }
  void* const memory = ::operator new(bytes_of(index));
  if (enrolled()) {
    ++recycler.blocks[index].limit;
    ++recycler.blocks[index].room;
  }
  return memory;
}

void free_without_room(void* memory, std::size_t index) noexcept {
  if (!enrolled()) return ::operator delete(memory);
  Recycler::Class& of_size = recycler.blocks[index];
  if (of_size.room == 0) {
    depot.put(index, of_size.first);
    of_size.room += Depot::batch;
  }
  --of_size.room;
  of_size.first = ::new (memory) Block{of_size.first};
}

void Recycler::trim() noexcept {
  for (std::size_t i = 0; i < classes; ++i) {
    Class& of_size = blocks[i];
    const std::size_t excess = excess_of(of_size, i);
    for (std::size_t given_back = 0; given_back < excess - excess / 8; ++given_back) {
      Block* const block = of_size.first;
      of_size.first = block->next;
      --of_size.limit;
      ::operator delete(block);
    }
  }
}

bool Recycler::has_excess() const noexcept {
  for (std::size_t i = 0; i < classes; ++i) {
    if (excess_of(blocks[i], i) != 0) return true;
  }
  return false;
}

}  // namespace coir::detail
