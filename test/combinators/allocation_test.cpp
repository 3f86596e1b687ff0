// SPDX-License-Identifier: MIT
// What queues and task groups allocate, and what they give back.
#include <coir/lifo_queue.hpp>
#include <coir/priority_queue.hpp>
#include <coir/queue.hpp>

#include "combinators_test.hpp"

#include <allocation_counter.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>

namespace coir::test {
namespace {

class CombinatorAllocationTest : public CombinatorTest {};

template <class Q>
void use_without_waiting(Q& queue) {
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 10; ++i) queue.put(i);
    for (int i = 0; i < 10; ++i) queue.get();
  }
}

// Q1.
TEST_F(CombinatorAllocationTest, PutAndGetWithoutWaitingNeitherAllocateNorSuspend) {
  run([] {
    Queue<int> fifo(10);
    LifoQueue<int> lifo(10);
    PriorityQueue<int> priority(10);
    const auto all = [&] {
      use_without_waiting(fifo);
      use_without_waiting(lifo);
      use_without_waiting(priority);
    };
    EXPECT_GT(allocations_of(all), 0U);  // to hold ten
    EXPECT_EQ(turns_of([&] { EXPECT_EQ(allocations_of(all), 0U); }), 0U);
  });
}

// One waiter, one allocation; the items do not allocate however many pass.
TEST_F(CombinatorAllocationTest, AQueueAllocatesForWaitersOnly) {
  run([] {
    Queue<int> queue(8);
    auto consumer = create_task([&] {
      while (queue.get() != 0) {
      }
    });
    const auto produce = [&] {
      for (int i = 1; i <= 8000; ++i) queue.put(i);
    };
    produce();
    EXPECT_LE(allocations_of(produce), COIR_RECYCLE ? 0U : 8000U / 8 * 2 + 2);
    queue.put(0);
    await(consumer);
  });
}

TEST_F(CombinatorAllocationTest, AGroupWithoutChildrenAllocatesNothing) {
  run([] { EXPECT_EQ(allocations_of([] { task_group([](TaskGroup&) {}); }), 0U); });
}

TEST_F(CombinatorAllocationTest, AChildCostsATaskAndOneCallback) {
  run([] {
    task_group([](TaskGroup& group) {
      EXPECT_LE(allocations_of([&] { group.create_task([] {}); }), 2U);
      EXPECT_LE(allocations_of([&] { group.create_task([] {}); }), 2U);
    });
  });
}

TEST_F(CombinatorAllocationTest, AGroupThatLivesLongKeepsNothingOfItsChildren) {
  run([] {
    task_group([](TaskGroup& group) {
      const auto some = [&] {
        for (int i = 0; i < 100; ++i) group.create_task([] {});
        sleep(0s);
        sleep(0s);
      };
      some();
      const std::size_t before = allocations.outstanding;
      for (int round = 0; round < 100; ++round) some();
      EXPECT_EQ(allocations.outstanding, before);
    });
  });
}

/// Takes all recycled blocks of the size of a T, and gives them back.
template <class T>
class Hoard {
 public:
  Hoard() {
    try {
      for (auto& each : fillers_) each.reset(new Filler);
      ADD_FAILURE() << "memory did not run out";
    } catch (const std::bad_alloc&) {
    }
  }

 private:
  struct Filler : detail::Recycled {
    char bytes[sizeof(T)];
  };
  std::array<std::unique_ptr<Filler>, 2000> fillers_;
};

// G2, TG15: without memory to wait with, the block waits all the same.
TEST_F(CombinatorAllocationTest, NoChildOutlivesItsGroupWhenMemoryRunsOut) {
  run([&] {
    bool child_ended = false;
    bool waited = false;
    const AnyTask block = current_task();
    std::optional<Hoard<detail::GroupExit>> hoard;
    task_group([&](TaskGroup& group) {
      group.create_task([&] {
        for (int i = 0; i < 5; ++i) {
          sleep(0s);
          waited |= static_cast<bool>(block.waiting_on());
        }
        child_ended = true;
      });
      sleep(0s);
      allocations.refused = true;
      hoard.emplace();
    });
    allocations.refused = false;
    EXPECT_TRUE(child_ended);
    EXPECT_FALSE(waited);  // it yields instead: there was no memory
  });
}

}  // namespace
}  // namespace coir::test
