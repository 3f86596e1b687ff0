// SPDX-License-Identifier: MIT
#include "allocation_counter.hpp"

#include <cstdlib>
#include <new>

namespace coir::test {

Allocations allocations;

namespace {

void* counted(std::size_t bytes, std::size_t alignment = 0) {
  if (allocations.refused || bytes > allocations.largest) throw std::bad_alloc();
  const std::size_t least = bytes != 0 ? bytes : 1;
  void* memory = alignment == 0 ? std::malloc(least)
                                : std::aligned_alloc(alignment, (least + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  ++allocations.made;
  ++allocations.outstanding;
  return memory;
}

void give_back(void* memory) noexcept {
  if (memory != nullptr) --allocations.outstanding;
  std::free(memory);
}

}  // namespace
}  // namespace coir::test

void* operator new(std::size_t bytes) { return coir::test::counted(bytes); }
void* operator new[](std::size_t bytes) { return coir::test::counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return coir::test::counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return coir::test::counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { coir::test::give_back(memory); }
void operator delete[](void* memory) noexcept { coir::test::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { coir::test::give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { coir::test::give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { coir::test::give_back(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { coir::test::give_back(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { coir::test::give_back(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { coir::test::give_back(memory); }
