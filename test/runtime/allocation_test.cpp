// SPDX-License-Identifier: MIT
// What allocates nothing.
#include "runtime_test.hpp"

#include <allocation_counter.hpp>


namespace coir::test {
namespace {

class AllocationTest : public RuntimeTest {};

TEST_F(AllocationTest, TheCounterCounts) {
  EXPECT_EQ(allocations_of([] { ::operator delete(::operator new(8)); }), 1U);
}

TEST_F(AllocationTest, AYieldAllocatesNothing) {
  run([] {
    auto other = create_task([] {
      for (int i = 0; i < 300; ++i) sleep(0s);
    });
    sleep(0s);
    EXPECT_EQ(allocations_of([] {
                for (int i = 0; i < 100; ++i) sleep(0s);
              }),
              0U);
    await(other);
  });
}

TEST_F(AllocationTest, AwaitAndWakeAllocateNothing) {
  run([&] {
    constexpr std::size_t count = 100;
    std::vector<Future<int>> there;
    std::vector<Future<int>> back;
    for (std::size_t i = 0; i < count; ++i) {
      there.push_back(loop().create_future<int>());
      back.push_back(loop().create_future<int>());
    }
    auto echo = create_task([&] {
      for (std::size_t i = 0; i < count; ++i) back[i].set_result(await(there[i]));
    });
    sleep(0s);
    EXPECT_EQ(allocations_of([&] {
                for (std::size_t i = 0; i < count; ++i) {
                  there[i].set_result(1);
                  EXPECT_EQ(await(back[i]), 1);
                }
              }),
              0U);
    await(echo);
  });
}

TEST_F(AllocationTest, AwaitOfADoneFutureAllocatesNothing) {
  run([&] {
    auto future = loop().create_future<int>();
    future.set_result(1);
    EXPECT_EQ(allocations_of([&] {
                EXPECT_EQ(await(future), 1);
                EXPECT_EQ(try_await(future).value(), 1);
              }),
              0U);
  });
}

TEST_F(AllocationTest, TheFirstStepOfATaskOnARecycledFiberAllocatesNothing) {
  run([] {
    std::vector<Task<void>> tasks;
    const auto make_all = [&] {
      tasks.clear();
      for (int i = 0; i < 20; ++i) tasks.push_back(create_task([] { sleep(0s); }));
    };
    const auto run_all = [] {
      for (int i = 0; i < 3; ++i) sleep(0s);
    };
    make_all();
    run_all();  // makes the fibers
    make_all();
    EXPECT_EQ(allocations_of(run_all), 0U);
    for (const auto& task : tasks) EXPECT_TRUE(task.done());
  });
}

TEST_F(AllocationTest, CancelWithoutAMessageAllocatesNothingUntilItThrows) {
  run([&] {
    auto task = create_task([&] { await(loop().create_future<int>()); });
    sleep(0s);
    EXPECT_EQ(allocations_of([&] { task.cancel(); }), 0U);
    EXPECT_THROW(await(task), CancelledError);
  });
}

TEST_F(AllocationTest, ACallbackCostsAtMostOneAllocation) {
  run([&] {
    EXPECT_LE(allocations_of([&] { loop().call_soon([] {}); }), 1U);
    EXPECT_LE(allocations_of([&] { loop().call_soon_threadsafe([] {}); }), 1U);
    EXPECT_LE(allocations_of([&] { static_cast<void>(create_task([] {})); }), 1U);
    EXPECT_LE(allocations_of([&] { static_cast<void>(loop().create_future<int>()); }), 1U);
    sleep(0s);
    sleep(1s);  // room in the heap of timers
    EXPECT_LE(allocations_of([&] { sleep(1s); }), 1U);
  });
}

}  // namespace
}  // namespace coir::test
