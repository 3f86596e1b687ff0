// SPDX-License-Identifier: MIT
// What the locks allocate.
#include "locks_test.hpp"

#include <allocation_counter.hpp>
#include <coir/detail/recycler.hpp>


namespace coir::test {
namespace {

class LocksAllocationTest : public LocksTest {
 protected:
  /// Nothing once the futures are recycled. A sanitizer's build recycles none: then one for each wait.
  static constexpr std::size_t steady(std::size_t waits) { return COIR_RECYCLE ? 0 : waits; }
};

TEST_F(LocksAllocationTest, WhatNeedNotWaitNeitherSuspendsNorAllocates) {
  run([&] {
    const std::uint64_t turns = loop().turns();
    EXPECT_EQ(allocations_of([] {
                Lock lock;
                Event event;
                Condition condition;
                Condition shared(lock);
                Semaphore semaphore(2);
                BoundedSemaphore bounded;
                Barrier barrier(1);
                for (int i = 0; i < 3; ++i) {
                  {
                    const std::scoped_lock all(lock, condition, semaphore, bounded);
                    shared.notify();
                    shared.notify_all();
                    condition.wait_for([] { return true; });
                    EXPECT_FALSE(lock.try_lock());
                    EXPECT_TRUE(semaphore.try_acquire());
                    EXPECT_FALSE(semaphore.try_acquire());
                    semaphore.release();
                  }
                  event.set();
                  event.wait();
                  event.clear();
                  barrier.wait();
                  barrier.abort();
                  barrier.reset();
                }
              }),
              0U);
    EXPECT_EQ(loop().turns(), turns);
  });
}

TEST_F(LocksAllocationTest, ContendedLocksAllocateNothingOnceWarm) {
  Lock lock;
  Semaphore semaphore(1);
  run([&] {
    constexpr std::size_t rounds = 100;
    const auto contend = [&](auto& object) {
      auto other = create_task([&] {
        for (std::size_t i = 0; i < 2 * rounds; ++i) {
          object.acquire();
          turn();
          object.release();
        }
      });
      const auto half = [&] {
        for (std::size_t i = 0; i < rounds; ++i) {
          object.acquire();
          turn();
          object.release();
        }
      };
      half();
      EXPECT_LE(allocations_of(half), steady(2 * rounds + 2));
      await(other);
    };
    contend(lock);
    contend(semaphore);
  });
}

TEST_F(LocksAllocationTest, WaitingAllocatesNothingOnceWarm) {
  Event there;
  Event back;
  Condition condition;
  Barrier barrier(2);
  run([&] {
    constexpr int rounds = 100;
    int value = 0;
    const auto side = [&](int own) {
      const auto next = [&, own] {
        const std::scoped_lock held(condition);
        condition.wait_for([&] { return value % 2 == own; });
        ++value;
        condition.notify();
      };
      Event& mine = own == 0 ? there : back;
      Event& others = own == 0 ? back : there;
      for (int i = 0; i < rounds; ++i) {
        next();
        barrier.wait();
        mine.set();
        others.wait();
        others.clear();
        barrier.wait();
      }
    };
    auto other = create_task([&] {
      side(1);
      side(1);
    });
    side(0);
    EXPECT_LE(allocations_of([&] { side(0); }), steady(10 * rounds));
    await(other);
  });
}

}  // namespace
}  // namespace coir::test
