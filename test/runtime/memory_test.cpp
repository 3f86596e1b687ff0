// SPDX-License-Identifier: MIT
// What many suspended tasks take, and that it comes back.
#include "runtime_test.hpp"

#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

namespace coir::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// ThreadSanitizer knows 8,128 threads and fibers at once. What the kernel counts is mostly the sanitizer's own memory.
constexpr std::size_t many = 2'000;
constexpr bool kernel_counts_are_ours = false;
constexpr std::size_t most_bytes_each = 0;
#elif !defined(NDEBUG)
constexpr std::size_t many = 20'000;
constexpr bool kernel_counts_are_ours = true;
constexpr std::size_t most_bytes_each = 5368 + 2 * 4096;  // unoptimised frames take up to two pages more
#else
constexpr std::size_t many = 100'000;  // a million takes 4.3 GiB, more than a build machine has to have: memory_bench
constexpr bool kernel_counts_are_ours = true;
constexpr std::size_t most_bytes_each = 5368;  // 5 GiB for a million
#endif

class MemoryTest : public RuntimeTest {
 protected:
  static std::size_t resident_bytes() {
    std::size_t virtual_pages = 0;
    std::size_t resident_pages = 0;
    std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages;
    return resident_pages * 4096;
  }
  static std::size_t mappings() {
    std::ifstream maps("/proc/self/maps");
    std::size_t lines = 0;
    for (std::string line; std::getline(maps, line);) ++lines;
    return lines;
  }
};

TEST_F(MemoryTest, ManySuspendedTasksAreGuardedSmallAndGivenBack) {
  const std::size_t before = resident_bytes();
  const std::size_t mappings_before = mappings();
  run([&] {
    auto gate = loop().create_future<void>();
    {
      std::vector<Task<void>> tasks;
      tasks.reserve(many);
      for (std::size_t i = 0; i < many; ++i) tasks.push_back(create_task([&] { await(gate); }));
      sleep(0s);
      const LoopStats stats = loop().stats();
      ASSERT_EQ(stats.fibers.leased, many + 1);
      if (stats.fibers.stacks.guard == fibers::Guard::madvise) {
        EXPECT_EQ(stats.fibers.stacks.unguarded, 0U);
        if (kernel_counts_are_ours) {
          EXPECT_LT(mappings() - mappings_before, 1000U);
        }
      }
      if (kernel_counts_are_ours) {
        EXPECT_LT((resident_bytes() - before) / many, most_bytes_each);
      }
      gate.set_result();
      await(tasks.back());
    }
    EXPECT_GE(loop().stats().fibers.idle, many / 2);
    // The most that were in use during this and the last second are kept; then the memory goes.
    const std::size_t busy = resident_bytes();
    for (int i = 0; i < 4; ++i) sleep(2s);
    EXPECT_LE(loop().stats().fibers.idle, 16U);
    if (kernel_counts_are_ours) {
      EXPECT_LT(resident_bytes() + many * 2048, busy);
    }
  });
}

}  // namespace
}  // namespace coir::test
