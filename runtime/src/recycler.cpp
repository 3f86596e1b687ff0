// SPDX-License-Identifier: MIT
#include <coir/detail/recycler.hpp>

#include <utility>

#include "sanitizer.hpp"

namespace coir::detail {

COIR_TLS Recycler recycler;

namespace {

/// Gives everything back when the thread ends. Destructors of other thread_locals that run later find no room.
struct Reaper {
  Reaper() noexcept = default;
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() {
    recycler.thread = Recycler::Thread::gone;
    for (Recycler::Class& of_size : recycler.blocks) {
      of_size.room = 0;
      Recycler::Block* block = std::exchange(of_size.first, nullptr);
      while (block != nullptr) ::operator delete(std::exchange(block, block->next));
    }
  }
  void touch() noexcept {}  // constructs it, which registers the destructor
};

thread_local Reaper reaper;

bool checked_by_valgrind() noexcept {
#if COIR_VALGRIND
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

}  // namespace

void free_without_room(void* memory, std::size_t index) noexcept {
  if (recycler.thread != Recycler::Thread::fresh || checked_by_valgrind()) return ::operator delete(memory);
  recycler.thread = Recycler::Thread::enrolled;
  reaper.touch();
  for (std::size_t i = 0; i < Recycler::classes; ++i) {
    recycler.blocks[i].room = Recycler::kept_bytes / ((i + 1) * Recycler::unit);
  }
  Recycled::operator delete(memory, (index + 1) * Recycler::unit);
}

}  // namespace coir::detail
