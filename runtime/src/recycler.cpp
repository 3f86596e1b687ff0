// SPDX-License-Identifier: MIT
#include <coir/detail/recycler.hpp>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "sanitizer.hpp"

namespace coir::detail {

COIR_TLS Recycler recycler;

namespace {

using Block = Recycler::Block;

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

  /// False if it is full.
  bool put(std::size_t index, Block* blocks) noexcept {
    auto* head = ::new (static_cast<void*>(blocks)) Batch{blocks->next, nullptr};
    Shelf& shelf = shelves_[index];
    const Locked locked(shelf);
    if (shelf.count == most_batches) return false;
    head->next_batch = std::exchange(shelf.first, head);
    shelf.count.store(shelf.count + 1, std::memory_order_relaxed);
    return true;
  }
  /// A batch, or null.
  Block* take(std::size_t index) noexcept {
    Shelf& shelf = shelves_[index];
    if (shelf.count.load(std::memory_order_relaxed) == 0) return nullptr;
    const Locked locked(shelf);
    Batch* const head = shelf.first;
    if (head == nullptr) return nullptr;
    shelf.first = head->next_batch;
    shelf.count.store(shelf.count - 1, std::memory_order_relaxed);
    return ::new (static_cast<void*>(head)) Block{head->next};
  }

 private:
  static constexpr std::size_t most_batches = 64;

  struct Batch {
    Block* next;
    Batch* next_batch;
  };
  static_assert(sizeof(Batch) <= Recycler::unit);
  struct alignas(64) Shelf {
    std::atomic_flag busy;
    std::atomic<std::size_t> count{0};
    Batch* first = nullptr;
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
    Block* const first = of_size.first;
    Block* last = first;
    for (std::size_t i = 1; i < Depot::batch; ++i) last = last->next;  // a full class has more than that
    of_size.first = std::exchange(last->next, nullptr);
    of_size.room += Depot::batch;
    if (!depot.put(index, first)) free_all(first);
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
