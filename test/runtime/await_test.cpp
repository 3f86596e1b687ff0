// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <memory>
#include <stdexcept>

namespace coir::test {
namespace {

class AwaitTest : public RuntimeTest {};

TEST_F(AwaitTest, OfADoneFutureNeverSuspends) {  // F4, P3
  run([&] {
    auto value = loop().create_future<int>();
    value.set_result(1);
    auto failed = loop().create_future<int>();
    failed.set_exception(std::out_of_range("x"));
    auto cancelled = loop().create_future<int>();
    cancelled.cancel("c");
    loop().call_soon(note("ready"));
    EXPECT_EQ(turns_of([&] {
                EXPECT_EQ(await(value), 1);
                EXPECT_THROW(await(failed), std::out_of_range);
                EXPECT_EQ(ending_of([&] { await(cancelled); }), "CancelledError: c");
                EXPECT_EQ(try_await(value).value(), 1);
                EXPECT_FALSE(try_await(failed).has_value());
              }),
              0U);
    EXPECT_EQ(events, Trace{}) << "no point of fairness";
    sleep(0s);
  });
}

// CPython: test_tasks.py, test_task_basics.
TEST_F(AwaitTest, OfACallableCallsItInThisTask) {
  run([&] {
    const AnyTask self = current_task();
    EXPECT_EQ(turns_of([&] { EXPECT_EQ(await([&] { return current_task(); }), self); }), 0U);
    EXPECT_EQ(await([] { return 42; }) + await([] { return 1000; }), 1042);
    EXPECT_THROW(await([] { throw std::out_of_range("x"); }), std::out_of_range);
  });
}

TEST_F(AwaitTest, CopiesFromAnLvalue) {
  run([&] {
    auto future = loop().create_future<std::string>();
    future.set_result("a string that is too long for the small buffer");
    EXPECT_EQ(await(future), await(future));
    EXPECT_EQ(future.result(), "a string that is too long for the small buffer");
  });
}

TEST_F(AwaitTest, MovesFromTheLastHandleAndCopiesWhileThereAreOthers) {
  run([&] {
    auto shared = loop().create_future<std::shared_ptr<int>>();
    shared.set_result(std::make_shared<int>(1));
    const auto other = shared;
    EXPECT_EQ(await(std::move(shared)).use_count(), 2) << "others can still ask";
    EXPECT_NE(other.result(), nullptr);
    auto last = loop().create_future<std::shared_ptr<int>>();
    last.set_result(std::make_shared<int>(1));
    EXPECT_EQ(await(std::move(last)).use_count(), 1);
  });
}

TEST_F(AwaitTest, TakesAMoveOnlyValueOnce) {
  run([&] {
    auto future = loop().create_future<std::unique_ptr<int>>();
    const auto other = future;
    future.set_result(std::make_unique<int>(3));
    EXPECT_EQ(*await(std::move(future)), 3);
    EXPECT_THROW(await(Future<std::unique_ptr<int>>(other)), InvalidStateError);
    EXPECT_THROW(other.result(), InvalidStateError);
  });
}

TEST_F(AwaitTest, GivesReferencesAndVoid) {
  run([&] {
    int target = 1;
    auto reference = loop().create_future<int&>();
    reference.set_result(target);
    EXPECT_EQ(&await(reference), &target);
    auto task = create_task([] {});
    static_assert(std::is_void_v<decltype(await(task))>);
    await(task);
  });
}

TEST_F(AwaitTest, KeepsTheFutureAliveAndIsNotDisturbedByAssignmentsToTheHandle) {
  run([&] {
    auto future = loop().create_future<std::string>();
    loop().call_soon([&] {
      future.set_result("first");
      future = loop().create_future<std::string>();
    });
    EXPECT_EQ(await(future), "first");
  });
}

TEST_F(AwaitTest, ManyTasksMayAwaitOneFuture) {
  run([&] {
    auto future = loop().create_future<int>();
    std::vector<Task<int>> waiters;
    for (int i = 0; i < 10; ++i) waiters.push_back(create_task([&] { return await(future); }));
    sleep(0s);
    future.set_result(2);
    int sum = 0;
    for (auto& waiter : waiters) sum += await(waiter);
    EXPECT_EQ(sum, 20);
  });
}

TEST_F(AwaitTest, WorksFromDeepWithinPlainFunctions) {
  struct Deep {
    static int down(int depth, const Future<int>& future) {
      return depth == 0 ? await(future) : down(depth - 1, future) + 1;
    }
  };
  run([&] {
    auto future = loop().create_future<int>();
    loop().call_soon([&] { future.set_result(0); });
    EXPECT_EQ(Deep::down(100, future), 100);
  });
}

// CPython: test_futures.py, test_uninitialized.
TEST_F(AwaitTest, OfAnEmptyFutureIsAnError) {
  run([] {
    EXPECT_THROW(await(Future<int>()), InvalidStateError);
    EXPECT_THROW(try_await(Future<int>()), InvalidStateError);
  });
}

TEST_F(AwaitTest, TryAwaitReturnsFailuresAndCancellationsAsValues) {
  run([&] {
    EXPECT_EQ(try_await(create_task([] { return 1; })).value(), 1);
    auto failed = try_await(create_task([]() -> int { throw std::out_of_range("x"); }));
    EXPECT_FALSE(failed);
    EXPECT_THROW(failed.value(), std::out_of_range);
    auto future = loop().create_future<int>();
    loop().call_soon([&] { future.cancel("c"); });
    const auto cancelled = try_await(future);
    EXPECT_EQ(describe(cancelled.error()), "coir::CancelledError: c");
    EXPECT_TRUE(try_await(create_task([] {})).has_value());
    int target = 1;
    EXPECT_EQ(&try_await(create_task([&]() -> int& { return target; })).value(), &target);
    EXPECT_EQ(*try_await(create_task([] { return std::make_unique<int>(4); })).value(), 4);
    EXPECT_EQ(try_await([] { return 5; }).value(), 5) << "a callable runs as a task of its own";
    EXPECT_EQ(failed.error(), failed.error());
    EXPECT_EQ(cancelled.has_value(), false);
  });
}

TEST_F(AwaitTest, TryAwaitStillThrowsACancellationOfTheCaller) {
  run([&] {
    for (const bool first_done : {false, true}) {
      auto future = loop().create_future<int>();
      auto task = create_task([&] {
        static_cast<void>(try_await(future));
        trace("not reached");
      });
      sleep(0s);
      if (first_done) future.set_result(1);
      task.cancel("caller");
      EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: caller");
    }
    auto inner = create_task([] { sleep(1h); });
    auto outer = create_task([&] { static_cast<void>(try_await(inner)); });
    sleep(0s);
    sleep(0s);
    outer.cancel("through a task");
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError: through a task");
    auto self = create_task([&] {
      current_task().cancel("self");
      static_cast<void>(try_await(loop().create_future<int>()));
    });
    EXPECT_EQ(ending_of([&] { await(self); }), "CancelledError: self");
  });
  EXPECT_EQ(events, Trace{});
}

TEST_F(AwaitTest, TryAwaitOfAFutureThatIsCancelledWithAnotherWaiterReturnsIt) {  // T23
  run([&] {
    auto shared = create_task([] { sleep(1h); });
    auto first = create_task([&] { await(shared); });
    auto second = create_task([&] { return describe(try_await(shared).error()); });
    sleep(0s);
    sleep(0s);
    first.cancel("of the first");
    EXPECT_EQ(await(second), "coir::CancelledError: of the first");
    EXPECT_THROW(await(first), CancelledError);
  });
}

// CPython: test_tasks.py, test_ensure_future_future, test_ensure_future_task, test_ensure_future_coroutine.
TEST_F(AwaitTest, EnsureFutureGivesTheFutureItselfOrATask) {
  auto future = loop().create_future<int>();
  EXPECT_EQ(ensure_future(future), future) << "outside of a loop too";
  future.set_result(1);
  EXPECT_EQ(ensure_future(future), future);
  run([&] {
    auto task = create_task([] { return 2; });
    EXPECT_EQ(ensure_future(task), task);
    EXPECT_EQ(await(task), 2);
    EXPECT_EQ(ensure_future(task), task);
    EXPECT_EQ(await(ensure_future([] { return 3; })), 3);
  });
}

// CPython: test_tasks.py, test_ensure_future_coroutine; there a loop that is only set will do.
TEST_F(AwaitTest, EnsureFutureOfACallableTakesTheRunningLoopAndNoOther) {
  const auto refused = [&] {
    expect_usage_error(Reason::no_running_loop, "no running event loop",
                       [this] { static_cast<void>(ensure_future([this] { trace("ran"); })); });
  };
  refused();
  set_event_loop(&loop());
  refused();
  set_event_loop(nullptr);
  auto made = run([] { return ensure_future([] { return 1; }); });
  EXPECT_EQ(&made.get_loop(), &loop());
  EXPECT_EQ(loop().run_until_complete(made), 1);
  EXPECT_EQ(events, Trace{});
}

// T18. CPython: test_tasks.py, test_step_result_future; test_futures.py, test_yield_from_twice.
TEST_F(AwaitTest, GoesOnInTheTurnAfterTheResultAndASecondOneDoesNotSuspend) {
  run([&] {
    auto future = loop().create_future<int>();
    auto task = create_task([&] {
      const int first = await(future);
      EXPECT_EQ(turns_of([&] { EXPECT_EQ(await(future), first); }), 0U);
      return first;
    });
    sleep(0s);
    future.set_result(42);
    EXPECT_FALSE(task.done());
    sleep(0s);
    ASSERT_TRUE(task.done());
    EXPECT_EQ(task.result(), 42);
  });
}

}  // namespace
}  // namespace coir::test
