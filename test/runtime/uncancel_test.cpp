// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

namespace coir::test {
namespace {

class UncancelTest : public RuntimeTest {};

// CPython: test_tasks.py, test_uncancel_basic.
TEST_F(UncancelTest, CountsDownAndStopsAtZero) {
  run([&] {
    auto task = create_task([] {
      try {
        sleep(10s);
      } catch (const CancelledError&) {
        current_task().uncancel();
        sleep(10s);
      }
    });
    sleep(0s);
    EXPECT_TRUE(task.cancel());
    EXPECT_EQ(task.cancelling(), 1);
    sleep(0s);
    EXPECT_EQ(task.cancelling(), 0) << "uncancelled in the handler";
    EXPECT_FALSE(task.done());
    EXPECT_TRUE(task.cancel());
    EXPECT_EQ(task.cancelling(), 1);
    EXPECT_THROW(await(task), CancelledError);
    EXPECT_EQ(task.cancelling(), 1);
    EXPECT_EQ(task.uncancel(), 0);
    EXPECT_EQ(task.uncancel(), 0);
  });
}

// a scope that cancels its own task takes exactly its own request back. CPython: test_tasks.py,
// test_uncancel_structured_blocks.
TEST_F(UncancelTest, ScopesTellTheirOwnRequestsFromOthers) {
  const auto scope = [this](Duration deadline, Duration work) {
    const AnyTask task = current_task();
    const int before = task.cancelling();
    bool fired = false;
    auto handle = loop().call_later(deadline, [&] {
      fired = true;
      task.cancel();
    });
    bool timed_out = false;
    try {
      sleep(work);
    } catch (const CancelledError&) {
      if (!fired || task.uncancel() > before) {
        handle.cancel();
        throw;
      }
      timed_out = true;
    }
    handle.cancel();
    return timed_out;
  };
  run([&] {
    auto expires = create_task([&] { return scope(1s, 1h); });
    EXPECT_TRUE(await(expires));
    EXPECT_EQ(expires.cancelling(), 0);
    auto in_time = create_task([&] { return scope(1h, 1s); });
    EXPECT_FALSE(await(in_time));
    auto from_outside = create_task([&] { return scope(1h, 1h); });
    sleep(0s);
    from_outside.cancel();
    EXPECT_THROW(await(from_outside), CancelledError);
    auto both = create_task([&] { return scope(1s, 1h); });
    sleep(1s);
    both.cancel();
    EXPECT_THROW(await(both), CancelledError) << "the request from outside is left";
    EXPECT_EQ(both.cancelling(), 1);
  });
}

TEST_F(UncancelTest, BeforeTheFirstStepLetsTheTaskRun) {  // T4
  run([&] {
    auto task = create_task([] { return 1; });
    task.cancel();
    EXPECT_EQ(task.uncancel(), 0);
    EXPECT_EQ(await(task), 1);
  });
}

TEST_F(UncancelTest, OfOneselfWithdrawsTheDelivery) {  // T4
  run([&] {
    current_task().cancel();
    EXPECT_EQ(current_task().uncancel(), 0);
    sleep(0s);
    sleep(1s);
  });
}

TEST_F(UncancelTest, DoesNotTakeBackWhatAFutureHasTaken) {  // T2
  run([&] {
    auto task = create_task([] { sleep(1h); });
    sleep(0s);
    task.cancel();
    EXPECT_EQ(task.uncancel(), 0);
    EXPECT_THROW(await(task), CancelledError) << "what it waited on is cancelled already";
  });
}

TEST_F(UncancelTest, AMessageOfAWithdrawnRequestIsForgotten) {
  run([&] {
    auto task = create_task([] {
      current_task().cancel("withdrawn");
      current_task().uncancel();
      current_task().cancel();
      sleep(0s);
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: ");
  });
}

}  // namespace
}  // namespace coir::test
