// SPDX-License-Identifier: MIT
// Whoever walks the stack of a fiber comes to its bottom and stops there: debuggers, profilers, crash reporters.
#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <execinfo.h>
#include <unwind.h>

#include "fiber_support.hpp"

namespace coir {
namespace {

using coir::test::Body;
using fibers::Fiber;
using fibers::FiberPool;
using fibers::Stack;

constexpr int too_many = 400;  // frames: only a walk that does not end gets there

struct Walk {
  std::vector<std::uintptr_t> positions;  // of each frame on the stack
  bool ended = false;                     // by itself, at a bottom
};

/// Follows frame pointers, like perf and jemalloc do; stops before it would read outside of the stack.
Walk walk_frame_pointers(const void* frame, const Stack& stack) {
  Walk walk;
  auto next = reinterpret_cast<std::uintptr_t>(frame);
  const auto limit = reinterpret_cast<std::uintptr_t>(stack.limit);
  const auto top = reinterpret_cast<std::uintptr_t>(stack.top);
  while (walk.positions.size() < too_many) {
    if (next == 0) {
      walk.ended = true;
      break;
    }
    if (next < limit || next > top - 2 * sizeof(void*) || next % sizeof(void*) != 0) break;
    if (!walk.positions.empty() && next <= walk.positions.back()) break;
    walk.positions.push_back(next);
    next = *reinterpret_cast<const std::uintptr_t*>(next);
  }
  return walk;
}

/// Follows the unwind tables, like exceptions and backtrace() do.
[[gnu::noinline]] Walk walk_unwind_tables() {
  Walk walk;
  const auto visit = [](_Unwind_Context* context, void* to) {
    auto& positions = static_cast<Walk*>(to)->positions;
    positions.push_back(_Unwind_GetCFA(context));
    return positions.size() < too_many ? _URC_NO_REASON : _URC_END_OF_STACK;
  };
  _Unwind_Backtrace(visit, &walk);
  walk.ended = walk.positions.size() < too_many;
  return walk;
}

void expect_within(const Walk& walk, const Stack& stack) {
  EXPECT_TRUE(walk.ended) << "after " << walk.positions.size() << " frames";
  EXPECT_GE(walk.positions.size(), 2U);
  // The outermost frame may have no frame address: its caller does not exist.
  for (std::size_t i = 0; i + 1 < walk.positions.size(); ++i) {
    EXPECT_GE(walk.positions[i], reinterpret_cast<std::uintptr_t>(stack.limit)) << "frame " << i;
    EXPECT_LT(walk.positions[i], reinterpret_cast<std::uintptr_t>(stack.top)) << "frame " << i;
  }
}

/// Calls fn() under `depth` further frames.
[[gnu::noinline]] int deep(int depth, const std::function<void()>& fn) {
  volatile int here = depth;
  if (depth == 0) {
    fn();
  } else {
    here = here + deep(depth - 1, fn);
  }
  return here;
}

TEST(Unwinding, FramePointersEndAtTheBottomOfAFiber) {
  FiberPool pool;
  for (int start = 0; start < 3; ++start) {  // the first one on a fresh fiber
    Body body(pool, [&] {
      expect_within(walk_frame_pointers(__builtin_frame_address(0), stack_of(pool.current())),
                    stack_of(pool.current()));
    });
    pool.switch_to(body.acquire());
    EXPECT_TRUE(body.finished);
  }
}

TEST(Unwinding, UnwindTablesEndAtTheBottomOfAFiber) {
  FiberPool pool;
  std::size_t depth_of_first = 0;
  for (int start = 0; start < 3; ++start) {
    Body body(pool, [&] {
      const Walk walk = walk_unwind_tables();
      expect_within(walk, stack_of(pool.current()));
      if (start == 0) depth_of_first = walk.positions.size();
      EXPECT_EQ(walk.positions.size(), depth_of_first);
    });
    pool.switch_to(body.acquire());
  }
}

TEST(Unwinding, BacktraceCountsExactlyTheFramesOfTheFiber) {
  FiberPool pool;
  const auto frames_under = [&](int depth) {
    int count = 0;
    const std::function<void()> measure = [&] {
      void* frames[too_many];
      count = ::backtrace(frames, too_many);
    };
    Body body(pool, [&] { deep(depth, measure); });
    pool.switch_to(body.acquire());
    return count;
  };
  const int shallow = frames_under(0);
  EXPECT_GT(shallow, 2);
  EXPECT_LT(shallow, 30);
  EXPECT_EQ(frames_under(100), shallow + 100);
  EXPECT_EQ(frames_under(0), shallow);
}

TEST(Unwinding, ASuspendedFiberIsWalkedFromItsFrame) {
  FiberPool pool;
  const std::function<void()> leave = [&] { pool.switch_to(pool.host()); };
  Body shallow(pool, leave);
  Body nested(pool, [&] { deep(20, leave); });
  Fiber& first = shallow.acquire();
  Fiber& second = nested.acquire();
  pool.switch_to(first);
  pool.switch_to(second);
  const Walk one = walk_frame_pointers(frame_of(first), stack_of(first));
  const Walk other = walk_frame_pointers(frame_of(second), stack_of(second));
  expect_within(one, stack_of(first));
  expect_within(other, stack_of(second));
  EXPECT_GT(other.positions.size(), one.positions.size() + 19);
  pool.switch_to(first);
  pool.switch_to(second);
}

TEST(Unwinding, BothWalksEndInATaskBeforeAndAfterAwaitingAndOnARecycledStack) {
  run([] {
    const auto check = [] {
      // The address of the frame tells the stack; the loop's pool is not ours to ask.
      const Walk tables = walk_unwind_tables();
      EXPECT_TRUE(tables.ended);
      EXPECT_LT(tables.positions.size(), 60U);
      Stack stack;
      stack.limit = static_cast<std::byte*>(__builtin_frame_address(0));
      stack.top = stack.limit + fibers::default_stack_bytes();
      const Walk pointers = walk_frame_pointers(__builtin_frame_address(0), stack);
      EXPECT_TRUE(pointers.ended);
      EXPECT_LT(pointers.positions.size(), 60U);
    };
    for (int i = 0; i < 3; ++i) {
      await(create_task([&] {
        check();
        sleep(std::chrono::seconds(0));
        check();
        try {
          throw 1;
        } catch (int) {
          sleep(std::chrono::seconds(0));
          check();
        }
      }));
    }
  });
}

TEST(Unwinding, AnExceptionFindsItsHandlerUnderManyFramesOfAFiber) {
  FiberPool pool;
  bool caught = false;
  Body body(pool, [&] {
    try {
      deep(100, [] { throw 1; });
    } catch (int) {
      caught = true;
    }
  });
  pool.switch_to(body.acquire());
  EXPECT_TRUE(caught);
}

}  // namespace
}  // namespace coir
