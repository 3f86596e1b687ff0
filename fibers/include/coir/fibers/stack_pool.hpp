// SPDX-License-Identifier: MIT
// Stacks for fibers: reserved generously, committed by touch, guarded, and given back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include <coir/detail/export.hpp>

namespace coir::fibers {

/// Address space reserved for each stack when nothing else is asked for, in bytes, guard included: 256 KiB, and four
/// times that in a library built without optimisation or with a sanitizer, whose frames are several times larger.
/// Reserving costs nothing but address space; only touched pages become memory.
COIR_EXPORT std::size_t default_stack_bytes() noexcept;

/// How the lowest part of a stack is made to fault.
enum class Guard : std::uint8_t {
  automatic,  ///< the best that this kernel has: madvise, else mprotect while the VMA budget lasts, else none
  madvise,    ///< MADV_GUARD_INSTALL, Linux 6.13+: a page-table marker, no VMA
  mprotect,   ///< PROT_NONE: two VMAs a stack
  none,       ///< overflow corrupts the neighbouring stack
};

struct StackOptions {
  /// Reserved bytes per stack, guard included; 0 means default_stack_bytes(). Rounded up to whole pages and to
  /// minimum_stack_bytes(). 1 MiB costs 2 KiB of page table once touched, 256 KiB about 512 B.
  std::size_t bytes = 0;
  /// Anything but automatic is for tests.
  Guard guard = Guard::automatic;
  /// The VMAs that mprotect guards of this process may take; 0 means half of vm.max_map_count.
  std::size_t vma_budget = 0;
};

/// Least that a stack may have: a signal frame with the machine's full register state, and room to work.
COIR_EXPORT std::size_t minimum_stack_bytes() noexcept;

/// No stack could be had. Thrown by StackPool::acquire(); a Task whose first step meets it fails with it.
class COIR_EXPORT StackAllocationError : public std::bad_alloc {
 public:
  explicit StackAllocationError(std::string message);
  ~StackAllocationError() override;
  /// How many stacks exist, what the kernel answered, and which limit to look at.
  const char* what() const noexcept override;

 private:
  std::string message_;
};

/// One stack. Usable memory is [limit, top); [base, limit) is the guard.
struct Stack {
  std::byte* base = nullptr;
  std::byte* limit = nullptr;
  std::byte* top = nullptr;
};

struct StackStats {
  std::size_t slabs = 0;      ///< mappings made
  std::size_t carved = 0;     ///< stacks that were ever handed out: their guards are in place
  std::size_t leased = 0;     ///< stacks outside of the pool at this moment
  std::size_t unguarded = 0;  ///< of the carved ones
  Guard guard = Guard::none;  ///< kind used for the newest stack
};

/// Hands out stacks, cut from slabs of 64.
///
///     slab  | guard | stack 0 ....... top | guard | stack 1 ....... top | ...        one mmap, MAP_NORESERVE
///
/// I1  A stack is carved, behind its guard, once; a recycled stack keeps guard and warm pages.
/// I2  leased == stacks acquired and not yet released. The destructor unmaps a slab only if none of its stacks is
///     leased; others stay mapped for ever, because somebody still runs on them.
/// I3  Free stacks are reused last in, first out: the warmest first.
///
/// Threads   One at a time. The overflow handler may look a fault up at any moment from any thread.
/// Cost      Recycled: a pop. New: 0.8 us for the guard, then 1.5 us for the first touch of each page (bench/memory).
class COIR_EXPORT StackPool {
 public:
  explicit StackPool(const StackOptions& options = {});
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  /// Errors    StackAllocationError when the address space or vm.max_map_count is exhausted; the pool stays usable.
  Stack acquire();
  void release(const Stack& stack) noexcept;

  /// Gives the memory behind [stack.limit, below) back to the system. The contents are lost, the guard stays.
  static void drop_pages(const Stack& stack, const std::byte* below) noexcept;

  const StackStats& stats() const noexcept { return stats_; }
  /// Reserved bytes of one stack, guard included.
  std::size_t stack_bytes() const noexcept { return stride_; }

 private:
  struct Slab;

  Slab& grow();
  void install_guard(Slab& slab);
  bool mark_guards(Slab& slab) noexcept;

  std::size_t stride_;
  std::size_t guard_bytes_;
  std::size_t vma_budget_;
  Guard guard_;                // what the next stack gets
  Slab* newest_ = nullptr;     // every slab, newest first; only the newest has uncarved stacks
  std::vector<Stack> free_;    // carved, not leased; reserved for all carved stacks, so that release() cannot throw
  StackStats stats_;
};

/// The stack of a living pool whose guard contains `address`; base is null when there is none.
/// Async-signal-safe, lock-free.
COIR_EXPORT Stack find_guard(const void* address) noexcept;

}  // namespace coir::fibers
