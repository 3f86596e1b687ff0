// SPDX-License-Identifier: MIT
// S4: in how many turns the running task goes on, as measured on CPython 3.13.
#include "runtime_test.hpp"

namespace coir::test {
namespace {

class IterationCostTest : public RuntimeTest {};

TEST_F(IterationCostTest, OfAwaits) {  // S4
  run([&] {
    EXPECT_EQ(turns_of([] { await(create_task([] { return 1; })); }), 2U) << "a task that returns";
    EXPECT_EQ(turns_of([] { await([] { return 1; }); }), 0U) << "a plain nested call";
    EXPECT_EQ(turns_of([&] {
                auto future = loop().create_future<int>();
                loop().call_soon([&] { future.set_result(1); });
                await(future);
              }),
              2U)
        << "a future set by call_soon";
    EXPECT_EQ(turns_of([&] {
                auto future = loop().create_future<int>();
                future.set_result(1);
                await(future);
              }),
              0U)
        << "a done future";
  });
}

TEST_F(IterationCostTest, OfSleeps) {  // S4, S1
  run([&] {
    EXPECT_EQ(turns_of([] { sleep(0s); }), 1U);
    EXPECT_EQ(turns_of([] { sleep(1s); }), 2U);
  });
}

TEST_F(IterationCostTest, OfCancellation) {  // S4
  run([&] {
    EXPECT_EQ(turns_of([] {
                auto task = create_task([] { sleep(1s); });
                task.cancel();
                EXPECT_THROW(await(task), CancelledError);
              }),
              2U)
        << "spawn, cancel, await";
    EXPECT_EQ(turns_of([] {
                auto task = create_task([] { sleep(1s); });
                sleep(0s);
                task.cancel();
                EXPECT_THROW(await(task), CancelledError);
              }),
              3U)
        << "spawn, yield, cancel, await";
  });
}

TEST_F(IterationCostTest, IsTheSameInDebugModeWhereEveryStepGoesThroughTheHost) {  // S4
  loop().set_debug(true);
  loop().slow_callback_duration = 1h;
  run([&] {
    EXPECT_EQ(turns_of([] { await(create_task([] { return 1; })); }), 2U);
    EXPECT_EQ(turns_of([] { sleep(0s); }), 1U);
    EXPECT_EQ(turns_of([] { sleep(1s); }), 2U);
  });
}

}  // namespace
}  // namespace coir::test
