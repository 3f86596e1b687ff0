// Bare stacks for the floors: one mapping, no guards, never returned.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <stdexcept>

namespace bare {

/// Carves up to `stacks` stacks. As far apart as coir's are by default, for page tables and the TLB see the stride;
/// their tops staggered by a cache line, or all of them would fight for the same cache sets.
class Stacks {
 public:
  static constexpr std::size_t stride = std::size_t{256} << 10;

  explicit Stacks(std::size_t stacks) : stacks_(stacks) {
    void* const base =
        ::mmap(nullptr, stacks * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) throw std::runtime_error("cannot map the stacks");
    ::madvise(base, stacks * stride, MADV_NOHUGEPAGE);
    base_ = static_cast<std::byte*>(base);
  }
  ~Stacks() { ::munmap(base_, stacks_ * stride); }
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  /// The top of the next one.
  std::byte* carve() {
    if (carved_ == stacks_) throw std::runtime_error("no more stacks");
    const std::size_t index = carved_++;
    return base_ + carved_ * stride - index % 32 * 64;
  }
  static constexpr std::size_t usable = stride - std::size_t{32} * 64;

 private:
  std::size_t stacks_, carved_ = 0;
  std::byte* base_;
};

}  // namespace bare
