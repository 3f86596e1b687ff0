// SPDX-License-Identifier: MIT
// What a StackPool does when the system has no more to give. Each test starves a process of its own.
#include <coir/fibers/stack_pool.hpp>

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fiber_support.hpp"

namespace coir::fibers {
namespace {

using namespace coir::test;

class StackExhaustion : public ::testing::Test {
 protected:
  StackExhaustion() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

/// Ends the child with a message that the parent's expectation does not match.
void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::_Exit(1);
}

std::size_t address_space() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * page_bytes();
}

void limit_address_space(rlim_t bytes) {
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = bytes;
  require(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
}

void starve_of_address_space() {
  StackPool pool({.bytes = 256 * kib});
  std::vector<Stack> stacks;
  stacks.reserve(1000);
  limit_address_space(address_space() + 24 * 1024 * kib);  // a slab takes 16 MiB
  std::string message;
  try {
    for (;;) stacks.push_back(pool.acquire());
  } catch (const StackAllocationError& error) {
    message = error.what();
  }
  require(stacks.size() == 64, "one slab fits");
  require(pool.stats().leased == 64 && pool.stats().carved == 64, "a failure is not counted");

  const Stack back = stacks.back();
  pool.release(back);
  require(pool.acquire().base == back.base, "what exists can be recycled");

  bool again = false;
  try {
    static_cast<void>(pool.acquire());
  } catch (const std::bad_alloc&) {  // what old code catches
    again = true;
  }
  require(again, "it fails a second time");

  limit_address_space(RLIM_INFINITY);
  stacks.push_back(pool.acquire());
  std::memset(stacks.back().limit, 1, 16 * kib);
  require(guard_faults(stacks.back()), "a stack made after the failure is guarded");
  for (const Stack& stack : stacks) pool.release(stack);
  std::fprintf(stderr, "%s\n", message.c_str());
  std::_Exit(0);
}

TEST_F(StackExhaustion, NoAddressSpaceIsATypedErrorAndThePoolGoesOn) {
  EXPECT_EXIT(starve_of_address_space(), ::testing::ExitedWithCode(0),
              "no fiber stack: mmap of 16384 KiB failed \\(Cannot allocate memory\\) with 64 stacks of 256 KiB in this "
              "pool; see vm.max_map_count, ulimit -v and LoopOptions::stack_bytes");
}

void starve_of_mappings() {
  const LogCapture log;
  StackPool pool({.bytes = 1, .guard = Guard::mprotect, .vma_budget = std::size_t{1} << 40});
  std::vector<Stack> stacks;
  stacks.reserve(200'000);
  // Enough for every kernel's default; a raised sysctl makes the test meaningless, not wrong.
  while (stacks.size() < 100'000 && pool.stats().unguarded == 0) stacks.push_back(pool.acquire());
  if (pool.stats().unguarded == 0) {
    std::fprintf(stderr, "vm.max_map_count is too large here to be exhausted\n");
    std::_Exit(0);
  }
  for (int i = 0; i < 10; ++i) stacks.push_back(pool.acquire());
  const std::vector<std::string> lines = log.lines();
  require(lines.size() == 1, "one warning");
  require(lines[0].find(std::to_string(stacks.size() - 11) + " fiber stacks are guarded") != std::string::npos,
          "the warning has the number");
  std::memset(stacks.back().limit, 1, 4 * kib);
  for (const Stack& stack : stacks) pool.release(stack);
  std::fprintf(stderr, "%s\n", lines[0].c_str());
  std::_Exit(0);
}

TEST_F(StackExhaustion, NoMappingsForGuardsEndsInOneWarning) {
  if (under_asan || under_tsan) GTEST_SKIP() << "the sanitizer's own allocator needs mappings and dies first";
  EXPECT_EXIT(starve_of_mappings(), ::testing::ExitedWithCode(0), "vm.max_map_count");
}

void starve_of_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none{0, limit.rlim_max};
  require(::setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
  StackPool pool({.bytes = 64 * kib, .guard = Guard::madvise});
  std::vector<Stack> stacks;
  for (int i = 0; i < 100; ++i) stacks.push_back(pool.acquire());
  require(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  require(pool.stats().guard == Guard::madvise && pool.stats().unguarded == 0, "by markers");
  for (const Stack& stack : stacks) {
    require(guard_faults(stack), "all are guarded");
    pool.release(stack);
  }
  std::_Exit(0);
}

// Many are marked by one call, for which the process names itself by a descriptor.
TEST_F(StackExhaustion, WithoutADescriptorMarkersAreInstalledOneByOne) {
  if (!kernel_has_guard_markers()) GTEST_SKIP() << "no MADV_GUARD_INSTALL (Linux 6.13) here";
  EXPECT_EXIT(starve_of_descriptors(), ::testing::ExitedWithCode(0), "");
}

void lock_memory() {
  // Only new mappings, and only pages that are touched.
  require(::mlockall(MCL_FUTURE | MCL_ONFAULT) == 0, "mlockall");
  StackPool pool({.bytes = 64 * kib, .guard = Guard::madvise});
  const Stack first = pool.acquire();
  const Stack second = pool.acquire();
  require(guard_faults(first) && guard_faults(second), "both are guarded");
  require(pool.stats().guard == Guard::mprotect, "by mprotect");
  pool.release(first);
  pool.release(second);
  std::_Exit(0);
}

TEST_F(StackExhaustion, LockedMemoryWhichRefusesMarkersIsGuardedByMprotect) {
  if (under_asan || under_tsan) GTEST_SKIP() << "the sanitizers ignore mlockall";
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  if (::geteuid() != 0 && limit.rlim_cur < 8 * 1024 * kib) GTEST_SKIP() << "ulimit -l is less than 8 MiB";
  EXPECT_EXIT(lock_memory(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace coir::fibers
