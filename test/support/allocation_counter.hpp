// SPDX-License-Identifier: MIT
// Counts every operator new of the program that links allocation_counter.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace coir::test {

struct Allocations {
  std::size_t made = 0;         // so far
  std::size_t outstanding = 0;  // not given back
  bool refused = false;         // from now on there is no memory
  std::size_t largest = SIZE_MAX;  // there is none for more bytes at once
};
extern Allocations allocations;

template <class Fn>
std::size_t allocations_of(Fn&& fn) {
  const std::size_t before = allocations.made;
  std::forward<Fn>(fn)();
  return allocations.made - before;
}

}  // namespace coir::test
