// SPDX-License-Identifier: MIT
#include "allocation_counter.hpp"

#include <cstdlib>
#include <new>

namespace coir::test {

Allocations allocations;

namespace {

void* counted(std::size_t bytes) {
  if (allocations.refused) throw std::bad_alloc();
  void* memory = std::malloc(bytes != 0 ? bytes : 1);
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
void operator delete(void* memory) noexcept { coir::test::give_back(memory); }
void operator delete[](void* memory) noexcept { coir::test::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { coir::test::give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { coir::test::give_back(memory); }
