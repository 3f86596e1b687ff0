// SPDX-License-Identifier: MIT
#include <coir/detail/recycler.hpp>

#include <utility>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define COIR_MEMCHECK 1
#else
#define COIR_MEMCHECK 0
#endif

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

/// Valgrind's other tools count or trace: they should see what runs without them.
bool checked_by_memcheck() noexcept {
#if COIR_MEMCHECK
  const char probe = 0;
  char bits = 0;
  return VALGRIND_GET_VBITS(&probe, &bits, 1) != 0;  // 0 from every other tool, and without Valgrind
#else
  return false;
#endif
}

}  // namespace

void free_without_room(void* memory, std::size_t index) noexcept {
  if (recycler.thread != Recycler::Thread::fresh || checked_by_memcheck()) return ::operator delete(memory);
  recycler.thread = Recycler::Thread::enrolled;
  reaper.touch();
  for (std::size_t i = 0; i < Recycler::classes; ++i) {
    recycler.blocks[i].room = Recycler::kept_bytes / ((i + 1) * Recycler::unit);
  }
  Recycled::operator delete(memory, (index + 1) * Recycler::unit);
}

}  // namespace coir::detail
