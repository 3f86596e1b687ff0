// SPDX-License-Identifier: MIT
#include <coir/fibers/fiber.hpp>

#include <cfenv>
#include <exception>
#include <optional>
#include <set>
#include <thread>

#include "fiber_support.hpp"

namespace coir::fibers {
namespace {

using namespace coir::test;

TEST(FiberPool, TheHostIsCurrentUntilTheFirstSwitch) {
  FiberPool pool;
  EXPECT_EQ(&pool.current(), &pool.host());
  EXPECT_EQ(stack_of(pool.host()).base, nullptr);
  EXPECT_EQ(argument_of(pool.host()), nullptr);
}

TEST(FiberPool, AnAcquiredFiberRunsOnlyWhenSwitchedTo) {
  FiberPool pool;
  Fiber* seen = nullptr;
  Body body(pool, [&] { seen = &pool.current(); });
  Fiber& fiber = body.acquire();
  EXPECT_EQ(seen, nullptr);
  EXPECT_EQ(&pool.current(), &pool.host());
  EXPECT_EQ(argument_of(fiber), &body);

  pool.switch_to(fiber);
  EXPECT_EQ(seen, &fiber);
  EXPECT_EQ(&pool.current(), &pool.host());
}

TEST(FiberPool, AFiberRunsOnItsOwnStackUnderItsControlBlock) {
  FiberPool pool;
  const char* frame = nullptr;
  Body body(pool, [&] {
    // Not the address of a local: AddressSanitizer may keep those elsewhere.
    frame = static_cast<const char*>(__builtin_frame_address(0));
  });
  Fiber& fiber = body.acquire();
  const Stack stack = stack_of(fiber);
  pool.switch_to(fiber);
  EXPECT_GE(frame, reinterpret_cast<const char*>(stack.limit));
  EXPECT_LT(frame, reinterpret_cast<const char*>(&fiber));
  EXPECT_LT(reinterpret_cast<const std::byte*>(&fiber), stack.top);
  EXPECT_EQ(fiber_on(stack), &fiber);
}

TEST(FiberPool, AnEntryThatReturnsGivesTheFiberBack) {
  FiberPool pool;
  Body body(pool, [] {});
  Fiber& fiber = body.acquire();
  EXPECT_EQ(pool.stats().leased, 1U);
  pool.switch_to(fiber);
  EXPECT_TRUE(body.finished);
  EXPECT_EQ(pool.stats().leased, 0U);
  EXPECT_EQ(pool.stats().idle, 1U);
  EXPECT_EQ(argument_of(fiber), nullptr) << "an idle fiber has no assignment";
}

TEST(FiberPool, ARecycledStartReusesTheSameFiber) {
  FiberPool pool;
  int runs = 0;
  Body body(pool, [&] { ++runs; });
  Fiber& first = body.acquire();
  pool.switch_to(first);
  for (int i = 0; i < 1000; ++i) {
    Fiber& again = body.acquire();
    ASSERT_EQ(&again, &first);
    pool.switch_to(again);
  }
  EXPECT_EQ(runs, 1001);
  EXPECT_EQ(pool.stats().stacks.carved, 1U);
  EXPECT_EQ(pool.stats().peak, 1U);
}

TEST(FiberPool, TheFiberThatFinishedLastIsReusedFirst) {
  FiberPool pool;
  Body body(pool, [] {});
  Fiber& a = body.acquire();
  Fiber& b = body.acquire();
  pool.switch_to(b);
  pool.switch_to(a);
  EXPECT_EQ(&body.acquire(), &a);
  EXPECT_EQ(&body.acquire(), &b);
  pool.switch_to(a);
  pool.switch_to(b);
}

TEST(FiberPool, ASuspendedFiberGoesOnWhereItLeft) {
  FiberPool pool;
  std::vector<int> events;
  Body body(pool, [&] {
    int local = 1;
    for (; local < 4; ++local) {
      events.push_back(local);
      pool.switch_to(pool.host());
    }
    events.push_back(local);
  });
  Fiber& fiber = body.acquire();
  while (!body.finished) {
    pool.switch_to(fiber);
    events.push_back(0);
  }
  EXPECT_EQ(events, (std::vector<int>{1, 0, 2, 0, 3, 0, 4, 0}));
}

TEST(FiberPool, FibersSwitchToEachOtherWithoutTheHost) {
  FiberPool pool;
  std::vector<std::string> events;
  Fiber* a = nullptr;
  Fiber* b = nullptr;
  Fiber* c = nullptr;
  Body body_a(pool, [&] {
    events.emplace_back("a1");
    pool.switch_to(*b);
    events.emplace_back("a2");
    pool.switch_to(*c);
    events.emplace_back("a3");
  });
  Body body_b(pool, [&] {
    events.emplace_back("b1");
    pool.switch_to(*c);
    events.emplace_back("b2");
  });
  Body body_c(pool, [&] {
    events.emplace_back("c1");
    pool.switch_to(*a);
    events.emplace_back("c2");
  });
  a = &body_a.acquire();
  b = &body_b.acquire();
  c = &body_c.acquire();
  pool.switch_to(*a);  // ends in c, which was left by a2 and returns to the host
  EXPECT_EQ(events, (std::vector<std::string>{"a1", "b1", "c1", "a2", "c2"}));
  pool.switch_to(*a);
  pool.switch_to(*b);
  EXPECT_EQ(events, (std::vector<std::string>{"a1", "b1", "c1", "a2", "c2", "a3", "b2"}));
}

/// An assignment that continues with a named fiber instead of the host.
struct Relay {
  std::vector<int>& events;
  int number;
  Fiber* next;
  static Fiber& entry(void* self) noexcept {
    auto& relay = *static_cast<Relay*>(self);
    relay.events.push_back(relay.number);
    return *relay.next;
  }
};

TEST(FiberPool, AnEntryNamesTheFiberToContinueWith) {
  FiberPool pool;
  std::vector<int> events;
  Relay third{events, 3, &pool.host()};
  Relay second{events, 2, &pool.acquire(Relay::entry, &third)};
  Relay first{events, 1, &pool.acquire(Relay::entry, &second)};
  pool.switch_to(pool.acquire(Relay::entry, &first));
  EXPECT_EQ(events, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(pool.stats().idle, 3U);
}

TEST(FiberPool, AFiberMayAcquireAndStartOthers) {
  FiberPool pool;
  int deepest = 0;
  std::function<void(int)> nest = [&](int depth) {
    deepest = depth;
    if (depth == 50) return;
    Fiber& here = pool.current();
    struct Nested {
      std::function<void(int)>& nest;
      int depth;
      Fiber& back;
      static Fiber& entry(void* self) noexcept {
        auto& nested = *static_cast<Nested*>(self);
        nested.nest(nested.depth);
        return nested.back;
      }
    } nested{nest, depth + 1, here};
    pool.switch_to(pool.acquire(Nested::entry, &nested));
  };
  nest(0);
  EXPECT_EQ(deepest, 50);
  EXPECT_EQ(pool.stats().leased, 0U);
  EXPECT_EQ(pool.stats().peak, 50U);
}

TEST(FiberPool, ErrnoBelongsToTheFiber) {
  FiberPool pool;
  int seen_a = -1;
  int seen_b = -1;
  Body a(pool, [&] {
    errno = EAGAIN;
    pool.switch_to(pool.host());
    seen_a = errno;
  });
  Body b(pool, [&] {
    errno = ENOENT;
    pool.switch_to(pool.host());
    seen_b = errno;
  });
  Fiber& fiber_a = a.acquire();
  Fiber& fiber_b = b.acquire();
  errno = EDOM;
  pool.switch_to(fiber_a);
  EXPECT_EQ(errno, EDOM) << "the host's own";
  pool.switch_to(fiber_b);
  EXPECT_EQ(errno, EDOM);
  pool.switch_to(fiber_a);
  pool.switch_to(fiber_b);
  EXPECT_EQ(errno, EDOM);
  EXPECT_EQ(seen_a, EAGAIN);
  EXPECT_EQ(seen_b, ENOENT);
}

TEST(FiberPool, RoundingModeBelongsToTheFiber) {
  FiberPool pool;
  int inside = -1;
  Body body(pool, [&] {
    std::fesetround(FE_UPWARD);
    pool.switch_to(pool.host());
    inside = std::fegetround();
    std::fesetround(FE_TONEAREST);
  });
  Fiber& fiber = body.acquire();
  pool.switch_to(fiber);
  EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  pool.switch_to(fiber);
  EXPECT_EQ(inside, FE_UPWARD);
}

TEST(FiberPool, TrimGivesMemoryBackAndThePoolWorksAfterwards) {
  FiberPool pool({.bytes = 256 * 1024});
  Body greedy(pool, [] {
    volatile char large[100 * 1024];
    for (std::size_t i = 0; i < sizeof large; i += 512) large[i] = 1;
  });
  std::vector<Fiber*> fibers;
  std::vector<Stack> stacks;
  for (int i = 0; i < 10; ++i) {
    fibers.push_back(&greedy.acquire());
    stacks.push_back(stack_of(*fibers.back()));
  }
  for (Fiber* fiber : fibers) pool.switch_to(*fiber);
  const auto resident = [&] {
    std::size_t pages = 0;
    for (const Stack& stack : stacks) pages += resident_pages(stack.limit, stack.top);
    return pages * page_bytes();
  };
  EXPECT_GE(resident(), 10U * 100 * 1024);

  pool.trim(3, 16 * 1024);
  EXPECT_EQ(pool.stats().idle, 3U);
  EXPECT_LE(resident(), 3 * (16 * 1024 + 2 * page_bytes()));
  EXPECT_EQ(&greedy.acquire(), fibers[9]) << "the warmest are kept";
  pool.switch_to(*fibers[9]);

  pool.trim(0, 0);
  EXPECT_EQ(pool.stats().idle, 0U);
  EXPECT_EQ(pool.stats().stacks.leased, 0U);
  EXPECT_EQ(resident(), 0U);

  std::set<Fiber*> again;
  for (int i = 0; i < 10; ++i) again.insert(&greedy.acquire());
  EXPECT_EQ(pool.stats().stacks.carved, 10U) << "on the stacks there were";
  for (Fiber* fiber : again) pool.switch_to(*fiber);
  EXPECT_EQ(pool.stats().idle, 10U);
}

TEST(FiberPool, TrimLeavesSuspendedFibersAlone) {
  FiberPool pool;
  int sum = 0;
  Body body(pool, [&] {
    volatile int numbers[1000];
    for (int i = 0; i < 1000; ++i) numbers[i] = i;
    pool.switch_to(pool.host());
    for (int i = 0; i < 1000; ++i) sum += numbers[i];
  });
  Fiber& fiber = body.acquire();
  pool.switch_to(fiber);
  pool.trim(0, 0);
  pool.switch_to(fiber);
  EXPECT_EQ(sum, 499'500);
}

TEST(FiberPool, StatsTellLeasedIdleAndPeak) {
  FiberPool pool;
  Body body(pool, [&] { pool.switch_to(pool.host()); });
  std::vector<Fiber*> fibers;
  for (int i = 0; i < 5; ++i) fibers.push_back(&body.acquire());
  for (Fiber* fiber : fibers) pool.switch_to(*fiber);
  EXPECT_EQ(pool.stats().leased, 5U);
  EXPECT_EQ(pool.stats().idle, 0U);
  for (Fiber* fiber : fibers) pool.switch_to(*fiber);
  EXPECT_EQ(pool.stats().leased, 0U);
  EXPECT_EQ(pool.stats().idle, 5U);
  EXPECT_EQ(pool.stats().peak, 5U);
  EXPECT_EQ(pool.stats().stacks.leased, 5U) << "idle fibers keep their stacks";
  EXPECT_EQ(pool.stack_bytes(), default_stack_bytes());
}

TEST(FiberPool, AThreadMayTakeThePoolOverWithItsIdleFibers) {
  FiberPool pool;
  int seen = 0;
  bool caught = false;
  Body body(pool, [&] {
    errno = EAGAIN;
    try {
      throw 7;
    } catch (int) {
      pool.switch_to(pool.host());
      caught = std::current_exception() != nullptr;
    }
    seen = errno;
  });
  const auto run_twice = [&] {
    Fiber& fiber = body.acquire();
    pool.switch_to(fiber);
    EXPECT_EQ(std::current_exception(), nullptr);
    pool.switch_to(fiber);
  };
  run_twice();
  caught = false;
  seen = 0;
  std::thread([&] {
    pool.enter_thread();
    errno = EDOM;
    run_twice();
    EXPECT_EQ(errno, EDOM);
  }).join();
  pool.enter_thread();
  EXPECT_TRUE(caught);
  EXPECT_EQ(seen, EAGAIN);
  EXPECT_EQ(pool.stats().stacks.carved, 1U);
  run_twice();
}

// Promise P5: the frames of a fiber that is left behind are never unwound.
TEST(FiberPool, ASuspendedFiberIsAbandonedWithoutUnwinding) {
  LogCapture log;
  bool destroyed = false;
  Stack stack;
  std::optional<FiberPool> pool(std::in_place);
  {
    Body body(*pool, [&] {
      struct Guard {
        bool& flag;
        ~Guard() { flag = true; }
      } const guard{destroyed};
      pool->switch_to(pool->host());
    });
    Fiber& fiber = body.acquire();
    stack = stack_of(fiber);
    pool->switch_to(fiber);
    pool.reset();
  }
  EXPECT_FALSE(destroyed);
  EXPECT_TRUE(is_mapped(stack.limit));
  EXPECT_EQ(log.lines().size(), 1U);
}

TEST(FiberPoolDeathTest, APoolDestroyedFromOneOfItsFibersIsABrokenInvariant) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto* pool = new FiberPool;
        Body body(*pool, [&] { delete pool; });
        pool->switch_to(body.acquire());
      },
      "I2: a fiber pool destroyed from one of its fibers");
}

}  // namespace
}  // namespace coir::fibers
