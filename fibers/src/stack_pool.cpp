// SPDX-License-Identifier: MIT
#include <coir/fibers/stack_pool.hpp>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <utility>

#include <coir/detail/assert.hpp>

#include <spdlog/logger.h>

#include "log.hpp"
#include "sanitizer.hpp"

// Debian 12's headers are older than its users' kernels.
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

namespace coir::fibers {
namespace {

constexpr std::size_t stacks_per_slab = 64;

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept { return (bytes + unit - 1) / unit * unit; }

/// A guard of several pages, for a frame may step over one page without touching it; an eighth of the stack so that
/// small stacks stay usable, at most 64 KiB, where -fstack-clash-protection of the callers does the rest.
std::size_t guard_bytes_for(std::size_t stride) noexcept {
  return std::clamp(stride / 8 / page_bytes() * page_bytes(), page_bytes(), std::size_t{64} << 10);
}

/// Whether guard markers work here. Asking madvise() alone is not enough: an emulated kernel may accept advice that it
/// ignores. write() from a guarded page must fail with EFAULT, which needs no signal handler to observe.
bool probe_guard_markers() noexcept {
  void* page = ::mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  bool works = false;
  int ends[2];
  if (::madvise(page, page_bytes(), MADV_GUARD_INSTALL) == 0 && ::pipe(ends) == 0) {
    works = ::write(ends[1], page, 1) == -1 && errno == EFAULT;
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ::munmap(page, page_bytes());
  return works;
}

std::atomic<bool> markers_one_by_one{false};

/// Marks the first `bytes` of each of `count` stacks, at half the cost of as many madvise(). How many of them are marked:
/// none where the kernel does not take this advice so, or no descriptor is left.
std::size_t mark_many(std::byte* first, std::size_t stride, std::size_t bytes, std::size_t count) noexcept {
  if (markers_one_by_one.load(std::memory_order_relaxed)) return 0;
  std::array<iovec, stacks_per_slab> guards;
  for (std::size_t i = 0; i < count; ++i) guards[i] = {first + i * stride, bytes};
  const long self = ::syscall(SYS_pidfd_open, ::getpid(), 0);
  const bool exhausted = self < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
  const long marked =
      self < 0 ? -1 : ::syscall(SYS_process_madvise, self, guards.data(), count, MADV_GUARD_INSTALL, 0);
  if (self >= 0) ::close(static_cast<int>(self));
  if (marked < 0 && !exhausted) markers_one_by_one.store(true, std::memory_order_relaxed);
  return marked < 0 ? 0 : static_cast<std::size_t>(marked) / bytes;
}

std::size_t max_map_count() {
  std::size_t count = 65530;  // the kernel's default, where /proc is not mounted
  std::ifstream("/proc/sys/vm/max_map_count") >> count;
  return count;
}

std::atomic<std::size_t> guard_vmas{0};  // taken by mprotect guards of all pools of the process

/// What find_guard() reads. Records live for ever and are reused, so a reader never meets freed memory; a record whose
/// base is zero is vacant. A reader that races with reuse sees a mix of two slabs at worst, and then only if the
/// faulting address lies in a mapping that is being replaced while it faults.
struct SlabRecord {
  std::atomic<std::uintptr_t> base{0};
  std::atomic<std::size_t> stride{0};
  std::atomic<std::size_t> guard_bytes{0};
  SlabRecord* next = nullptr;
};
std::atomic<SlabRecord*> slab_records{nullptr};
std::atomic<std::size_t> vacant_records{0};  // a hint: without it each new slab would walk all older ones

SlabRecord& claim_record(std::uintptr_t base, std::size_t stride, std::size_t guard_bytes) {
  const auto fill = [&](SlabRecord& record) {
    record.stride.store(stride, std::memory_order_relaxed);
    record.guard_bytes.store(guard_bytes, std::memory_order_relaxed);
  };
  SlabRecord* r = vacant_records.load(std::memory_order_relaxed) != 0 ? slab_records.load(std::memory_order_acquire)
                                                                      : nullptr;
  for (; r != nullptr; r = r->next) {
    std::uintptr_t vacant = 0;
    // 1 claims the record without matching any address while the other fields are written.
    if (r->base.compare_exchange_strong(vacant, 1, std::memory_order_acq_rel)) {
      vacant_records.fetch_sub(1, std::memory_order_relaxed);
      fill(*r);
      r->base.store(base, std::memory_order_release);
      return *r;
    }
  }
  auto* record = new SlabRecord;
  fill(*record);
  record->base.store(base, std::memory_order_release);
  record->next = slab_records.load(std::memory_order_relaxed);
  while (!slab_records.compare_exchange_weak(record->next, record, std::memory_order_acq_rel)) {
  }
  return *record;
}

}  // namespace

std::size_t default_stack_bytes() noexcept {
#if defined(__OPTIMIZE__) && !COIR_ASAN && !COIR_TSAN
  return std::size_t{256} << 10;
#else
  return std::size_t{1} << 20;
#endif
}

std::size_t minimum_stack_bytes() noexcept {
  static const std::size_t bytes = [] {
    const long signal_frame = ::sysconf(_SC_MINSIGSTKSZ);  // not a constant: AVX-512 and AMX state is up to 11 KiB
    return round_up(static_cast<std::size_t>(std::max(signal_frame, 2048L)) + (std::size_t{16} << 10), page_bytes());
  }();
  return bytes;
}

StackAllocationError::StackAllocationError(std::string message) : message_(std::move(message)) {}
StackAllocationError::~StackAllocationError() = default;
const char* StackAllocationError::what() const noexcept { return message_.c_str(); }

struct StackPool::Slab {
  std::byte* base;
  std::size_t carved;  // stacks [0, carved) were handed out, with their guard
  std::size_t marked;  // and [carved, marked) have their marker
  std::size_t leased;      // only the destructor keeps it
  std::size_t mprotected;  // guards that take VMAs
  SlabRecord* record;
  Slab* older;
};

StackPool::StackPool(const StackOptions& options)
    : stride_(round_up(std::max(options.bytes != 0 ? options.bytes : default_stack_bytes(), minimum_stack_bytes()),
                       page_bytes())),
      guard_bytes_(guard_bytes_for(stride_)),
      vma_budget_(options.vma_budget),
      guard_(options.guard) {
  if (guard_ == Guard::automatic) {
    static const bool markers = probe_guard_markers();
    guard_ = markers ? Guard::madvise : Guard::mprotect;
  }
}

StackPool::~StackPool() {
  std::map<std::byte*, Slab*> by_base;
  for (Slab* slab = newest_; slab != nullptr; slab = slab->older) {
    slab->leased = stats_.leased != 0 ? slab->carved : 0;
    if (stats_.leased != 0) by_base.emplace(slab->base, slab);
  }
  if (stats_.leased != 0) {
    for (const Stack& stack : free_) --std::prev(by_base.upper_bound(stack.base))->second->leased;
    detail::logger()->error("{} fiber stacks of {} KiB are still in use and stay mapped for ever", stats_.leased,
                            stride_ >> 10);
  }
  while (newest_ != nullptr) {
    const std::unique_ptr<Slab> slab(std::exchange(newest_, newest_->older));
    if (slab->leased != 0) continue;
    slab->record->base.store(0, std::memory_order_release);
    vacant_records.fetch_add(1, std::memory_order_relaxed);
    sanitizer::forget_stacks(slab->base, stacks_per_slab * stride_);
    ::munmap(slab->base, stacks_per_slab * stride_);
    guard_vmas.fetch_sub(2 * slab->mprotected, std::memory_order_relaxed);
  }
}

StackPool::Slab& StackPool::grow() {
  const std::size_t bytes = stacks_per_slab * stride_;
  // Reserving first keeps the failure before the mapping, so nothing has to be undone.
  const std::size_t stacks = (stats_.slabs + 1) * stacks_per_slab;
  // Doubled: growing by a slab each time would put a mapping of malloc's between the slabs, which then cannot merge
  // into one VMA (bench/memory_bench, mappings).
  if (free_.capacity() < stacks) free_.reserve(2 * stacks);
  auto slab = std::make_unique<Slab>();
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    const int error = errno;
    throw StackAllocationError("no fiber stack: mmap of " + std::to_string(bytes >> 10) + " KiB failed (" +
                               std::strerror(error) + ") with " + std::to_string(stats_.carved) +
                               " stacks of " + std::to_string(stride_ >> 10) +
                               " KiB in this pool; see vm.max_map_count, ulimit -v and LoopOptions::stack_bytes");
  }
  // A huge page under a stack turns 4 KiB of use into 2 MiB. Kernels without huge pages refuse, which is as good.
  ::madvise(base, bytes, MADV_NOHUGEPAGE);
  *slab = {static_cast<std::byte*>(base), 0, 0, 0, 0, nullptr, newest_};
  try {
    slab->record = &claim_record(reinterpret_cast<std::uintptr_t>(base), stride_, guard_bytes_);
  } catch (...) {
    ::munmap(base, bytes);
    throw;
  }
  newest_ = slab.release();
  ++stats_.slabs;
  return *newest_;
}

/// Marks the guard of the next stack, and those of more to come, a quarter as many as there are: few in a program of few.
bool StackPool::mark_guards(Slab& slab) noexcept {
  std::byte* const base = slab.base + slab.carved * stride_;
  const std::size_t count = std::clamp(stats_.carved / 4, std::size_t{1}, stacks_per_slab - slab.carved);
  slab.marked = slab.carved;
  if (count > 1) slab.marked += mark_many(base, stride_, guard_bytes_, count);
  if (slab.marked == slab.carved && ::madvise(base, guard_bytes_, MADV_GUARD_INSTALL) == 0) ++slab.marked;
  return slab.marked > slab.carved;
}

/// Of the next stack.
void StackPool::install_guard(Slab& slab) {
  std::byte* const base = slab.base + slab.carved * stride_;
  stats_.guard = guard_;
  if (guard_ == Guard::madvise) {
    if (slab.marked > slab.carved || mark_guards(slab)) return;
    guard_ = Guard::mprotect;  // locked memory (mlockall) refuses markers although the kernel knows them
  }
  if (guard_ == Guard::mprotect) {
    const std::size_t budget = vma_budget_ != 0 ? vma_budget_ : max_map_count() / 2;
    if (guard_vmas.fetch_add(2, std::memory_order_relaxed) + 2 <= budget &&
        ::mprotect(base, guard_bytes_, PROT_NONE) == 0) {
      stats_.guard = Guard::mprotect;
      return;
    }
    guard_vmas.fetch_sub(2, std::memory_order_relaxed);
    guard_ = Guard::none;
    detail::logger()->warn(
        "{} fiber stacks are guarded; further ones are not, an overflow there corrupts memory. The kernel has no "
        "MADV_GUARD_INSTALL (Linux 6.13) and guards by mprotect take 2 mappings each: the budget is {} of "
        "vm.max_map_count = {}. Raise that sysctl, or start fewer tasks at once.",
        stats_.carved - stats_.unguarded, budget, max_map_count());
  }
  stats_.guard = Guard::none;
  ++stats_.unguarded;
}

Stack StackPool::acquire() {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    ++stats_.leased;
    return stack;
  }
  Slab& slab = newest_ != nullptr && newest_->carved < stacks_per_slab ? *newest_ : grow();
  std::byte* base = slab.base + slab.carved * stride_;
  install_guard(slab);
  if (stats_.guard == Guard::mprotect) ++slab.mprotected;
  ++slab.carved;
  ++stats_.carved;
  ++stats_.leased;
  const Stack stack{base, base + guard_bytes_, base + stride_};
  sanitizer::register_stack(stack.limit, stack.top);
  return stack;
}

void StackPool::release(const Stack& stack) noexcept {
  COIR_ASSERT(free_.size() < free_.capacity(), "I2: more stacks released than carved");
  free_.push_back(stack);
  --stats_.leased;
}

void StackPool::drop_pages(const Stack& stack, const std::byte* below) noexcept {
  const auto end = reinterpret_cast<std::uintptr_t>(below) / page_bytes() * page_bytes();
  const auto begin = reinterpret_cast<std::uintptr_t>(stack.limit);
  if (end > begin) ::madvise(stack.limit, end - begin, MADV_DONTNEED);
}

Stack find_guard(const void* address) noexcept {
  const auto fault = reinterpret_cast<std::uintptr_t>(address);
  for (SlabRecord* r = slab_records.load(std::memory_order_acquire); r != nullptr; r = r->next) {
    const std::uintptr_t base = r->base.load(std::memory_order_acquire);
    if (base <= 1) continue;
    const std::size_t stride = r->stride.load(std::memory_order_relaxed);
    const std::size_t guard = r->guard_bytes.load(std::memory_order_relaxed);
    if (fault < base || fault >= base + stacks_per_slab * stride) continue;
    const std::uintptr_t stack = base + (fault - base) / stride * stride;
    if (fault - stack >= guard) return {};
    auto* bottom = reinterpret_cast<std::byte*>(stack);  // NOLINT(performance-no-int-to-ptr): an address we mapped
    return {bottom, bottom + guard, bottom + stride};
  }
  return {};
}

}  // namespace coir::fibers
