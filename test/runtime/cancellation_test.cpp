// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <memory>
#include <stdexcept>

namespace coir::test {
namespace {

class CancellationTest : public RuntimeTest {};

// T1, X3. CPython: test_tasks.py, test_cancel_with_message_before_starting_task.
TEST_F(CancellationTest, BeforeTheFirstStepTheBodyIsNeverEntered) {
  run([&] {
    auto captured = std::make_shared<int>();
    auto task = create_task([this, captured] { trace("entered"); });
    EXPECT_TRUE(task.cancel("too early"));
    EXPECT_FALSE(task.cancelled());
    EXPECT_EQ(captured.use_count(), 2);
    sleep(0s);
    EXPECT_TRUE(task.cancelled());
    EXPECT_EQ(captured.use_count(), 1) << "X3: captures are destroyed on the loop's thread";
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: too early");
  });
  EXPECT_EQ(events, Trace{});
}

TEST_F(CancellationTest, BeforeTheFirstStepNeedsNoStack) {  // X3
  run([&] {
    const std::size_t before = loop().stats().fibers.peak;
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(create_task([] { sleep(1h); }));
    for (auto& task : tasks) task.cancel();
    sleep(0s);
    for (auto& task : tasks) EXPECT_TRUE(task.cancelled());
    EXPECT_EQ(loop().stats().fibers.peak, before);
  });
}

// CPython: test_tasks.py, test_cancel, test_task_cancel_waiter_future.
TEST_F(CancellationTest, CancelsWhatTheTaskWaitsOnAtOnce) {  // T2
  run([&] {
    auto future = loop().create_future<void>();
    auto task = create_task([&] { await(future); });
    sleep(0s);
    EXPECT_EQ(task.waiting_on(), future);
    EXPECT_TRUE(task.cancel("stop"));
    EXPECT_TRUE(future.cancelled());
    EXPECT_FALSE(task.done());
    sleep(0s);
    EXPECT_TRUE(task.cancelled());
    EXPECT_FALSE(task.waiting_on());
    EXPECT_FALSE(task.cancel());
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop");
  });
}

// T3
TEST_F(CancellationTest, ReplacesAResultThatWasNotTakenYet) {
  run([&] {
    auto future = loop().create_future<int>();
    auto task = create_task([&] { return await(future); });
    sleep(0s);
    future.set_result(1);
    EXPECT_TRUE(task.cancel("late"));
    EXPECT_FALSE(future.cancelled());
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: late");
    EXPECT_EQ(future.result(), 1);
  });
}

// CPython: test_tasks.py, test_uncancel_resets_must_cancel.
TEST_F(CancellationTest, TakenBackBeforeTheStepDeliversTheResult) {  // T4
  run([&] {
    auto future = loop().create_future<int>();
    auto task = create_task([&] { return await(future); });
    sleep(0s);
    future.set_result(1);
    task.cancel();
    EXPECT_EQ(task.uncancel(), 0);
    EXPECT_EQ(await(task), 1);
    EXPECT_FALSE(task.cancelled());
  });
}

TEST_F(CancellationTest, TakenBackOnlyInPartIsStillDelivered) {  // T4
  run([&] {
    auto future = loop().create_future<int>();
    auto task = create_task([&] { return await(future); });
    sleep(0s);
    future.set_result(1);
    task.cancel();
    task.cancel();
    EXPECT_EQ(task.uncancel(), 1);
    EXPECT_THROW(await(task), CancelledError);
  });
}

// CPython: test_tasks.py, test_cancel_current_task.
TEST_F(CancellationTest, OfOneselfArrivesAtTheNextAwaitThatSuspends) {  // T7
  run([&] {
    auto done = loop().create_future<int>();
    done.set_result(1);
    auto task = create_task([&] {
      current_task().cancel("self");
      EXPECT_EQ(await(done), 1);
      trace("past the done future");
      sleep(0s);
      trace("past the sleep");
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: self");
    auto asleep = create_task([] {
      current_task().cancel();
      sleep(100s);
    });
    EXPECT_THROW(await(asleep), CancelledError);
    EXPECT_TRUE(asleep.cancelled());
    EXPECT_FALSE(asleep.cancel());
    EXPECT_EQ(elapsed_ms(), 0);
  });
  EXPECT_EQ(events, (Trace{"past the done future"}));
}

// CPython: test_tasks.py, test_cancel_awaited_task.
TEST_F(CancellationTest, OfOneselfCancelsATaskAwaitedNext) {  // T8 bpo-34872
  run([&] {
    auto other = create_task([] { sleep(1h); });
    auto task = create_task([&] {
      current_task().cancel("self");
      await(other);
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: self");
    EXPECT_TRUE(other.cancelled());
    EXPECT_EQ(elapsed_ms(), 0);
  });
}

TEST_F(CancellationTest, TwiceBeforeTheStepThrowsOnce) {  // T9
  run([&] {
    auto task = create_task([&] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
        trace("caught");
      }
      EXPECT_EQ(current_task().cancelling(), 2);
      sleep(1s);
      sleep(0s);
      trace("went on");
    });
    sleep(0s);
    EXPECT_TRUE(task.cancel());
    EXPECT_TRUE(task.cancel());
    EXPECT_EQ(task.cancelling(), 2);
    await(task);
    EXPECT_FALSE(task.cancelled());
  });
  EXPECT_EQ(events, (Trace{"caught", "went on"}));
}

TEST_F(CancellationTest, TheFirstMessageWinsWhileWaiting) {  // T10
  run([&] {
    auto task = create_task([] { sleep(1h); });
    sleep(0s);
    task.cancel("one");
    task.cancel("two");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: one");
  });
}

// CPython: test_tasks.py, test_task_cancel_message_getter.
TEST_F(CancellationTest, TheLastMessageWinsBeforeTheFirstStep) {  // T10
  run([&] {
    auto task = create_task([] { sleep(1h); });
    task.cancel("one");
    task.cancel("two");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: two");
  });
}

TEST_F(CancellationTest, GoesDownAChainOfTasks) {  // T11
  run([&] {
    auto future = loop().create_future<int>();
    auto inner = create_task([&] { return await(future); });
    auto outer = create_task([&] { return await(inner); });
    sleep(0s);
    sleep(0s);
    outer.cancel("stop");
    EXPECT_TRUE(future.cancelled());
    EXPECT_EQ(inner.cancelling(), 1);
    EXPECT_EQ(outer.cancelling(), 1);
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError: stop");
    EXPECT_TRUE(inner.cancelled());
  });
}

TEST_F(CancellationTest, SwallowedByTheInnerTaskTheOuterGetsItsValue) {  // T11
  run([&] {
    auto inner = create_task([&] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
      }
      return 7;
    });
    auto outer = create_task([&] { return await(inner); });
    sleep(0s);
    sleep(0s);
    outer.cancel();
    EXPECT_EQ(await(outer), 7);
    EXPECT_FALSE(outer.cancelled());
    EXPECT_EQ(outer.cancelling(), 1);
    EXPECT_EQ(inner.cancelling(), 1);
  });
}

TEST_F(CancellationTest, AFailingCleanupOfTheInnerTaskIsWhatTheOuterSees) {  // T12
  run([&] {
    auto inner = create_task([] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
        throw std::out_of_range("cleanup");
      }
    });
    auto outer = create_task([&] { EXPECT_THROW(await(inner), std::out_of_range); });
    sleep(0s);
    sleep(0s);
    outer.cancel();
    await(outer);
    EXPECT_FALSE(outer.cancelled());
  });
}

// CPython: test_tasks.py, test_cancel_both_task_and_inner_future.
TEST_F(CancellationTest, OfTheTaskAndItsFutureThrowsOnce) {
  run([&] {
    auto future = loop().create_future<void>();
    auto task = create_task([&] {
      EXPECT_THROW(await(future), CancelledError);
      sleep(0s);
      trace("went on");
    });
    sleep(0s);
    future.cancel();
    task.cancel();
    await(task);
  });
  EXPECT_EQ(events, (Trace{"went on"}));
}

TEST_F(CancellationTest, IsDeliveredInOrderOfTheCalls) {  // T19
  run([&] {
    const auto body = [this](const char* name) {
      return [this, name] {
        try {
          sleep(1h);
        } catch (const CancelledError&) {
          trace(name);
        }
      };
    };
    auto a = create_task(body("a"));
    auto b = create_task(body("b"));
    sleep(0s);
    b.cancel();
    a.cancel();
    await(a);
    await(b);
  });
  EXPECT_EQ(events, (Trace{"b", "a"}));
}

TEST_F(CancellationTest, AllWaitersOfACancelledTaskGetItsMessage) {  // T22; CPython gives it to the first only
  run([&] {
    auto task = create_task([] { sleep(1h); });
    const auto wait = [&] { return ending_of([&] { await(task); }); };
    auto first = create_task(wait);
    auto second = create_task(wait);
    sleep(0s);
    sleep(0s);
    task.cancel("m");
    EXPECT_EQ(await(first), "CancelledError: m");
    EXPECT_EQ(await(second), "CancelledError: m");
  });
}

TEST_F(CancellationTest, OfOneWaiterReachesTheOthersThroughTheTaskTheyShare) {  // T23
  run([&] {
    auto shared = create_task([] { sleep(1h); });
    auto first = create_task([&] { await(shared); });
    auto second = create_task([&] { await(shared); });
    sleep(0s);
    sleep(0s);
    first.cancel();
    EXPECT_THROW(await(second), CancelledError);
    EXPECT_TRUE(first.cancelled());
    EXPECT_TRUE(shared.cancelled());
    EXPECT_EQ(second.cancelling(), 0);
  });
}

TEST_F(CancellationTest, IsNotCaughtAsAStandardException) {  // X2, P6
  run([&] {
    auto task = create_task([&] {
      try {
        sleep(1h);
      } catch (const std::exception&) {
        trace("swallowed");
      }
    });
    sleep(0s);
    task.cancel();
    EXPECT_THROW(await(task), CancelledError);
  });
  EXPECT_EQ(events, Trace{});
  static_assert(!std::is_base_of_v<std::exception, CancelledError>);
  static_assert(!std::is_base_of_v<std::exception, KeyboardInterrupt>);
  static_assert(!std::is_base_of_v<std::exception, SystemExit>);
}

TEST_F(CancellationTest, CaughtByCatchAllWithoutRethrowIsSwallowed) {  // X2, T9
  run([&] {
    auto task = create_task([&] {
      try {
        sleep(1h);
      } catch (...) {
      }
      return 1;
    });
    sleep(0s);
    task.cancel();
    EXPECT_EQ(await(task), 1);
  });
}

// CPython answers with RecursionError.
TEST_F(CancellationTest, TasksThatWaitForEachOtherInACircleCanBeCancelled) {
  run([&] {
    Task<void> last;
    auto first = create_task([&] { await(last); });
    auto middle = create_task([&] { await(first); });
    last = create_task([&] { await(middle); });
    sleep(0s);
    EXPECT_TRUE(middle.cancel("enough"));
    for (const auto& task : {first, middle, last}) {
      EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: enough");
      EXPECT_TRUE(task.cancelled());
      EXPECT_EQ(task.cancelling(), 1);
    }
  });
}

}  // namespace
}  // namespace coir::test
