// SPDX-License-Identifier: MIT
#include <coir/fibers/stack_pool.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "fiber_support.hpp"

namespace coir::fibers {
namespace {

using namespace coir::test;

std::vector<Stack> acquire_many(StackPool& pool, std::size_t count) {
  std::vector<Stack> stacks;
  for (std::size_t i = 0; i < count; ++i) stacks.push_back(pool.acquire());
  return stacks;
}

void release_all(StackPool& pool, const std::vector<Stack>& stacks) {
  for (const Stack& stack : stacks) pool.release(stack);
}

TEST(StackPool, SizesAreRoundedUpToWholePages) {
  EXPECT_EQ(StackPool({.bytes = 100 * kib}).stack_bytes(), 100 * kib);
  EXPECT_EQ(StackPool({.bytes = 100 * kib + 1}).stack_bytes(), 100 * kib + page_bytes());
  EXPECT_EQ(StackPool({.bytes = 100 * kib - 1}).stack_bytes(), 100 * kib);
}

TEST(StackPool, ZeroMeansTheDefaultSize) {
  EXPECT_EQ(StackPool().stack_bytes(), default_stack_bytes());
  if (under_asan || under_tsan) {
    EXPECT_EQ(default_stack_bytes(), 1024 * kib);
  }
  EXPECT_TRUE(default_stack_bytes() == 256 * kib || default_stack_bytes() == 1024 * kib);
}

TEST(StackPool, NoStackIsSmallerThanASignalFrameNeeds) {
  const long frame = ::sysconf(_SC_MINSIGSTKSZ);
  EXPECT_GE(minimum_stack_bytes(), static_cast<std::size_t>(frame) + 16 * kib);
  EXPECT_EQ(minimum_stack_bytes() % page_bytes(), 0U);
  EXPECT_EQ(StackPool({.bytes = 1}).stack_bytes(), minimum_stack_bytes());

  StackPool pool({.bytes = 1});
  const Stack stack = pool.acquire();
  EXPECT_GE(static_cast<std::size_t>(stack.top - stack.limit), 16 * kib);
  pool.release(stack);
}

TEST(StackPool, AStackIsGuardThenUsableMemoryAndTheWholeOfItIsWritable) {
  StackPool pool({.bytes = 256 * kib});
  const Stack stack = pool.acquire();
  EXPECT_EQ(stack.top - stack.base, 256 * 1024);
  EXPECT_EQ(stack.limit - stack.base, 32 * 1024) << "an eighth";
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stack.limit) % page_bytes(), 0U);
  std::memset(stack.limit, 0x5a, static_cast<std::size_t>(stack.top - stack.limit));
  EXPECT_EQ(stack.limit[0], std::byte{0x5a});
  EXPECT_EQ(stack.top[-1], std::byte{0x5a});
  pool.release(stack);
}

TEST(StackPool, GuardIsBetweenAPageAndSixtyFourKib) {
  StackPool small({.bytes = 1});
  StackPool large({.bytes = 4096 * kib});
  const Stack few = small.acquire();
  const Stack many = large.acquire();
  EXPECT_GE(few.limit - few.base, static_cast<std::ptrdiff_t>(page_bytes()));
  EXPECT_EQ(many.limit - many.base, 64 * 1024);
  small.release(few);
  large.release(many);
}

TEST(StackPool, StacksDoNotOverlapAcrossSlabs) {
  StackPool pool({.bytes = 64 * kib});
  std::vector<Stack> stacks = acquire_many(pool, 200);
  EXPECT_EQ(pool.stats().slabs, 4U);
  std::sort(stacks.begin(), stacks.end(), [](const Stack& a, const Stack& b) { return a.base < b.base; });
  for (std::size_t i = 1; i < stacks.size(); ++i) EXPECT_LE(stacks[i - 1].top, stacks[i].base);
  release_all(pool, stacks);
}

TEST(StackPool, GuardReallyFaults) {
  StackPool pool({.bytes = 64 * kib});
  const std::vector<Stack> stacks = acquire_many(pool, 130);
  for (const Stack& stack : stacks) {
    EXPECT_TRUE(guard_faults(stack));
    EXPECT_TRUE(readable(stack.limit));
    EXPECT_TRUE(readable(stack.top - 1));
  }
  EXPECT_EQ(pool.stats().unguarded, 0U);
  release_all(pool, stacks);
}

TEST(StackPool, GuardSurvivesRecyclingAndDroppedPages) {
  StackPool pool({.bytes = 64 * kib});
  const Stack first = pool.acquire();
  pool.release(first);
  const Stack second = pool.acquire();
  ASSERT_EQ(first.base, second.base);
  EXPECT_TRUE(guard_faults(second));
  StackPool::drop_pages(second, second.top);
  EXPECT_TRUE(guard_faults(second));
  EXPECT_TRUE(readable(second.limit));
  pool.release(second);
}

TEST(StackPool, RecycledStackIsTheWarmestOne) {
  StackPool pool({.bytes = 64 * kib});
  const std::vector<Stack> stacks = acquire_many(pool, 3);
  pool.release(stacks[1]);
  pool.release(stacks[2]);
  pool.release(stacks[0]);
  EXPECT_EQ(pool.acquire().base, stacks[0].base);
  EXPECT_EQ(pool.acquire().base, stacks[2].base);
  EXPECT_EQ(pool.acquire().base, stacks[1].base);
  EXPECT_EQ(pool.stats().carved, 3U) << "nothing new was cut";
  release_all(pool, stacks);
}

TEST(StackPool, StatsCountWhatWasCutAndWhatIsOut) {
  StackPool pool({.bytes = 64 * kib});
  EXPECT_EQ(pool.stats().slabs, 0U) << "nothing is mapped before it is needed";
  const std::vector<Stack> stacks = acquire_many(pool, 65);
  EXPECT_EQ(pool.stats().slabs, 2U);
  EXPECT_EQ(pool.stats().carved, 65U);
  EXPECT_EQ(pool.stats().leased, 65U);
  release_all(pool, stacks);
  EXPECT_EQ(pool.stats().leased, 0U);
  EXPECT_EQ(pool.stats().carved, 65U);
}

TEST(StackPool, AutomaticUsesGuardMarkersWhereTheKernelHasThem) {
  StackPool pool({.bytes = 64 * kib});
  const Stack stack = pool.acquire();
  EXPECT_EQ(pool.stats().guard, kernel_has_guard_markers() ? Guard::madvise : Guard::mprotect);
  pool.release(stack);
}

TEST(StackPool, EachKindOfGuardCanBeForced) {
  for (const Guard kind : {Guard::madvise, Guard::mprotect, Guard::none}) {
    if (kind == Guard::madvise && !kernel_has_guard_markers()) continue;
    LogCapture log;
    StackPool pool({.bytes = 64 * kib, .guard = kind});
    const std::vector<Stack> stacks = acquire_many(pool, 3);
    EXPECT_EQ(pool.stats().guard, kind);
    EXPECT_EQ(pool.stats().unguarded, kind == Guard::none ? 3U : 0U);
    for (const Stack& stack : stacks) EXPECT_EQ(guard_faults(stack), kind != Guard::none);
    EXPECT_TRUE(log.lines().empty()) << "what was asked for is no news";
    release_all(pool, stacks);
  }
}

// Promise P7.
TEST(StackPool, StacksBeyondTheVmaBudgetAreUnguardedAndOneWarningSaysSo) {
  LogCapture log;
  StackPool pool({.bytes = 64 * kib, .guard = Guard::mprotect, .vma_budget = 8});
  const std::vector<Stack> stacks = acquire_many(pool, 100);
  EXPECT_EQ(pool.stats().unguarded, 96U);
  EXPECT_EQ(pool.stats().guard, Guard::none);
  for (std::size_t i = 0; i < stacks.size(); ++i) EXPECT_EQ(guard_faults(stacks[i]), i < 4) << i;

  const std::vector<std::string> lines = log.lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].rfind("warning 4 fiber stacks are guarded", 0), 0U) << lines[0];
  EXPECT_NE(lines[0].find("the budget is 8 of vm.max_map_count = "), std::string::npos) << lines[0];
  release_all(pool, stacks);
}

TEST(StackPool, TheVmaBudgetIsTheProcessesAndComesBackWithTheSlabs) {
  LogCapture log;
  {
    StackPool first({.bytes = 64 * kib, .guard = Guard::mprotect, .vma_budget = 8});
    StackPool second({.bytes = 64 * kib, .guard = Guard::mprotect, .vma_budget = 8});
    const std::vector<Stack> some = acquire_many(first, 3);
    const std::vector<Stack> others = acquire_many(second, 3);
    EXPECT_EQ(first.stats().unguarded, 0U);
    EXPECT_EQ(second.stats().unguarded, 2U);
    release_all(first, some);
    release_all(second, others);
  }
  StackPool third({.bytes = 64 * kib, .guard = Guard::mprotect, .vma_budget = 8});
  const std::vector<Stack> stacks = acquire_many(third, 4);
  EXPECT_EQ(third.stats().unguarded, 0U);
  release_all(third, stacks);
}

TEST(StackPool, GuardMarkersTakeNoMappings) {
  if (!kernel_has_guard_markers()) GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL (Linux 6.13)";
  StackPool pool({.bytes = 64 * kib, .guard = Guard::madvise});
  const std::vector<Stack> stacks = acquire_many(pool, 2000);
  EXPECT_EQ(pool.stats().slabs, 32U);
  const std::vector<Mapping> present = mappings();
  for (std::size_t first = 0; first < stacks.size(); first += 64) {
    const auto begin = reinterpret_cast<std::uintptr_t>(stacks[first].base);
    const auto end = reinterpret_cast<std::uintptr_t>(stacks[std::min(first + 63, stacks.size() - 1)].top);
    EXPECT_TRUE(std::none_of(present.begin(), present.end(),
                             [&](const Mapping& m) { return begin < m.begin && m.begin < end; }))
        << "a slab is split";
  }
  release_all(pool, stacks);
}

TEST(StackPool, DropPagesGivesMemoryBackBelowTheMarkAndKeepsTheRest) {
  StackPool pool({.bytes = 256 * kib});
  const Stack stack = pool.acquire();
  std::memset(stack.limit, 1, static_cast<std::size_t>(stack.top - stack.limit));
  const std::size_t all = static_cast<std::size_t>(stack.top - stack.limit) / page_bytes();
  EXPECT_EQ(resident_pages(stack.limit, stack.top), all);

  StackPool::drop_pages(stack, stack.top - 16 * kib + 1);  // rounded down to a page: that page is in use
  EXPECT_EQ(resident_pages(stack.limit, stack.top), 16 * kib / page_bytes());
  EXPECT_EQ(stack.top[-1], std::byte{1});
  EXPECT_EQ(stack.limit[0], std::byte{0}) << "the contents are lost";

  StackPool::drop_pages(stack, stack.top);
  EXPECT_EQ(resident_pages(stack.limit, stack.top), 0U);
  StackPool::drop_pages(stack, stack.limit);  // nothing to do
  pool.release(stack);
}

TEST(StackPool, AStackNotTouchedTakesNoMemory) {
  StackPool pool({.bytes = 256 * kib});
  const std::vector<Stack> stacks = acquire_many(pool, 10);
  for (const Stack& stack : stacks) EXPECT_EQ(resident_pages(stack.limit, stack.top), 0U);
  release_all(pool, stacks);
}

TEST(StackPool, DestructorLeavesNoMapping) {
  if (!kernel_has_guard_markers()) std::puts("no MADV_GUARD_INSTALL here: guards by mprotect only");
  for (const Guard kind : {Guard::madvise, Guard::mprotect, Guard::none}) {
    if (kind == Guard::madvise && !kernel_has_guard_markers()) continue;
    std::vector<Stack> stacks;
    {
      StackPool pool({.bytes = 64 * kib, .guard = kind});
      stacks = acquire_many(pool, 130);
      for (const Stack& stack : stacks) EXPECT_TRUE(is_mapped(stack.base));
      release_all(pool, stacks);
    }
    const std::vector<Mapping> present = mappings();
    for (const Stack& stack : stacks) {
      const auto base = reinterpret_cast<std::uintptr_t>(stack.base);
      EXPECT_TRUE(std::none_of(present.begin(), present.end(),
                               [&](const Mapping& m) { return m.begin <= base && base < m.end; }));
    }
  }
}

TEST(StackPool, LeasedStacksOutliveThePoolAndAreReported) {
  LogCapture log;
  Stack leased;
  Stack other_slab;
  {
    StackPool pool({.bytes = 64 * kib});
    std::vector<Stack> stacks = acquire_many(pool, 65);
    leased = stacks[5];
    other_slab = stacks[64];
    stacks.erase(stacks.begin() + 5);
    release_all(pool, stacks);
  }
  EXPECT_TRUE(readable(leased.limit));
  EXPECT_TRUE(guard_faults(leased)) << "whoever still runs there is still guarded";
  EXPECT_EQ(find_guard(leased.base).base, leased.base) << "and still named";
  EXPECT_FALSE(is_mapped(other_slab.base)) << "a slab without leases goes";
  const std::vector<std::string> lines = log.lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], "error 1 fiber stacks of 64 KiB are still in use and stay mapped for ever");
}

TEST(FindGuard, KnowsExactlyTheGuardsOfLivingPools) {
  std::byte* gone = nullptr;
  {
    StackPool one({.bytes = 64 * kib});
    StackPool two({.bytes = 128 * kib});
    const std::vector<Stack> stacks{one.acquire(), one.acquire(), two.acquire(), two.acquire()};
    for (const Stack& stack : stacks) {
      for (const std::byte* inside : {stack.base, stack.limit - 1}) {
        const Stack found = find_guard(inside);
        EXPECT_EQ(found.base, stack.base);
        EXPECT_EQ(found.limit, stack.limit);
        EXPECT_EQ(found.top, stack.top);
      }
      EXPECT_EQ(find_guard(stack.limit).base, nullptr);
      EXPECT_EQ(find_guard(stack.top - 1).base, nullptr);
    }
    gone = stacks[0].base;
    for (const Stack& stack : {stacks[0], stacks[1]}) one.release(stack);
    for (const Stack& stack : {stacks[2], stacks[3]}) two.release(stack);
  }
  EXPECT_EQ(find_guard(gone).base, nullptr);
  EXPECT_EQ(find_guard(nullptr).base, nullptr);
  EXPECT_EQ(find_guard(&gone).base, nullptr);
}

TEST(FindGuard, RecordsOfDestroyedPoolsAreReused) {
  for (int i = 0; i < 100; ++i) {
    StackPool pool({.bytes = (64 + static_cast<std::size_t>(i % 3) * 64) * kib});
    const Stack stack = pool.acquire();
    EXPECT_EQ(find_guard(stack.base).top, stack.top);
    pool.release(stack);
  }
}

}  // namespace
}  // namespace coir::fibers
