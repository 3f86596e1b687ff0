// SPDX-License-Identifier: MIT
// gather(): results, failures and their order. Cancellation: gather_cancel_test.cpp; types: gather_shape_test.cpp.
#include "combinators_test.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace coir::test {
namespace {

class GatherTest : public CombinatorTest {};

using Ints = std::vector<int>;

TEST_F(GatherTest, ResultsFollowTheArgumentsNotTheOrderOfCompletion) {
  run([&] {
    const auto [a, b, c] = await(gather(worker("a", 30ms, 1), worker("b", 10ms, 2), worker("c", 20ms, 3)));
    EXPECT_EQ((Ints{a, b, c}), (Ints{1, 2, 3}));
    mark("gathered");
  });
  EXPECT_EQ(events, (Trace{"10 b done", "20 c done", "30 a done", "30 gathered"}));
}

// CPython: test_tasks.py, test_success (FutureGatherTests).
TEST_F(GatherTest, OfFuturesIsDoneOneTurnAfterTheLastOfThem) {
  const auto a = future<int>();
  const auto b = future<int>();
  const auto c = future<int>();
  const auto all = gather(a, b, c);
  all.add_done_callback([&] { trace("callback"); });
  b.set_result(1);
  a.set_result(2);
  run_ready();
  EXPECT_FALSE(all.done());
  EXPECT_EQ(events, Trace{});
  c.set_result(3);
  EXPECT_FALSE(all.done());
  run_ready();
  EXPECT_EQ(events, Trace{"callback"});
  EXPECT_EQ(all.result(), std::tuple(2, 1, 3));
}

// CPython: test_tasks.py, test_result_exception_success.
TEST_F(GatherTest, WithReturnExceptionsSuccessesComeAsOutcomes) {
  const auto a = future<int>();
  const auto b = future<int>();
  const auto all = gather(return_exceptions, a, b);
  b.set_result(1);
  a.set_result(2);
  run_ready();
  EXPECT_EQ(std::get<0>(all.result()).value(), 2);
  EXPECT_EQ(std::get<1>(all.result()).value(), 1);
}

// CPython: test_tasks.py, test_constructor_use_running_loop, and CoroutineGatherTests: the same over coroutines that
// await the futures.
TEST_F(GatherTest, OfCallablesRunsEachAsATask) {
  const auto a = future<int>();
  const auto b = future<int>();
  run([&] {
    const auto all = gather([&] { return await(a); }, [&] { return await(b); });
    EXPECT_EQ(all_tasks().size(), 3U);
    b.set_result(1);
    a.set_result(2);
    EXPECT_EQ(await(all), std::tuple(2, 1));
  });
}

// CPython: test_tasks.py, test_one_exception.
TEST_F(GatherTest, FirstFailureEndsItAtOnceWithThatVeryException) {
  std::vector<Future<int>> children;
  for (int i = 0; i < 5; ++i) children.push_back(future<int>());
  const auto all = gather(children);
  int calls = 0;
  all.add_done_callback([&] { ++calls; });
  children[0].set_result(1);
  const auto failure = std::make_exception_ptr(Boom());
  children[1].set_exception(failure);
  run_ready();
  ASSERT_TRUE(all.done());
  EXPECT_EQ(all.exception(), failure);
  children[2].set_result(3);  // nothing more comes of these
  children[3].cancel();
  children[4].set_exception(Boom("late"));
  run_ready();
  EXPECT_EQ(calls, 1);
}

// G2.
TEST_F(GatherTest, SiblingsOfAFailureRunOnAndTheirFailuresAreNotReported) {
  run([&] {
    auto slow = create_task(worker("slow", 30ms, 1));
    const std::string end = ending_of([&] {
      await(gather(slow, [&]() -> int { sleep(10ms); throw Boom("first"); },
                   [&]() -> int { sleep(20ms); throw Boom("second"); }));
    });
    mark(end);
    EXPECT_FALSE(slow.done());
    EXPECT_EQ(await(slow), 1);
  });
  run_ready();
  EXPECT_EQ(events, (Trace{"10 Boom: first", "30 slow done"}));
}

// G2. CPython: test_tasks.py, test_exception_marking.
TEST_F(GatherTest, TwoFailuresInOneTurnReportNeither) {
  const auto a = future<void>();
  const auto b = future<void>();
  run([&] {
    const auto inner = [](Future<void> gate) {
      return [gate] {
        await(gate);
        throw Boom("should not be ignored");
      };
    };
    auto outer = create_task([&] { await(gather(inner(a), inner(b))); });
    sleep(0ms);
    a.set_result();
    b.set_result();
    EXPECT_EQ(ending_of([&] { await(outer); }), "Boom: should not be ignored");
  });
  run_ready();
}

TEST_F(GatherTest, ItsOwnFailureIsReportedIfNobodyAsks) {
  run([&] {
    auto dropped = gather(failed_future("nobody asks"));
    dropped = {};
  });
  expect_reported({"Future exception was never retrieved: coir::test::Boom: nobody asks"});
}

// CPython: test_tasks.py, test_return_exceptions.
TEST_F(GatherTest, WithReturnExceptionsFailuresAreResults) {
  std::vector<Future<int>> children;
  for (int i = 0; i < 4; ++i) children.push_back(future<int>());
  const auto all = gather(return_exceptions, children);
  const auto failure = std::make_exception_ptr(Boom("c"));
  children[1].set_result(1);
  children[2].set_exception(failure);
  children[0].set_result(3);
  run_ready();
  EXPECT_FALSE(all.done());
  children[3].set_exception(Boom("d"));
  run_ready();
  ASSERT_TRUE(all.done());
  const std::vector<Outcome<int>>& results = all.result();
  EXPECT_EQ(results[0].value(), 3);
  EXPECT_EQ(results[1].value(), 1);
  EXPECT_EQ(results[2].error(), failure);
  EXPECT_EQ(ending_of(results[3].error()), "Boom: d");
}

// G1. CPython: test_tasks.py, test_constructor_empty_sequence_use_running_loop.
TEST_F(GatherTest, OfNothingIsDoneAtOnce) {
  run([&] {
    const Future<std::tuple<>> none = gather();
    EXPECT_TRUE(none.done());
    EXPECT_EQ(&none.get_loop(), &loop());
    await(none);
    const Future<std::vector<int>> empty = gather(std::vector<Future<int>>());
    EXPECT_TRUE(empty.done());
    EXPECT_EQ(await(empty), Ints{});
    const Future<std::vector<Outcome<int>>> outcomes = gather(return_exceptions, std::vector<Task<int>>());
    EXPECT_TRUE(outcomes.done());
    EXPECT_FALSE(none.cancel());
  });
}

// CPython: test_tasks.py, test_constructor_empty_sequence_without_loop, test_constructor_without_loop.
TEST_F(GatherTest, WithoutALoopOnlyFuturesCanBeGathered) {
  EXPECT_THROW(static_cast<void>(gather()), UsageError);
  EXPECT_THROW(static_cast<void>(gather([] { return 1; })), UsageError);
  EXPECT_EQ(gather(done_future(1), done_future(2)).result(), std::tuple(1, 2));
}

// CPython: test_tasks.py, test_constructor_heterogenous_futures, test_constructor_homogenous_futures.
TEST_F(GatherTest, ChildrenOfDifferentLoopsAreRefused) {
  EventLoop other(LoopOptions{.clock = &clock});
  const auto here = future<int>();
  const auto there = other.create_future<int>();
  EXPECT_THROW(static_cast<void>(gather(here, there)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(gather(return_exceptions, there, here)), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(gather(std::vector{here, there})), std::invalid_argument);
  // The loop of the children counts, whichever runs.
  EXPECT_EQ(&gather(there, there).get_loop(), &other);
  // Nothing stays registered with those that were refused.
  CallbackCount left_behind(loop(), "gather");
  here.set_result(1);
  run_ready();
  EXPECT_EQ(left_behind(), 0);
}

// CPython: test_tasks.py, test_issue46672: tasks that were made before an argument was refused end quietly.
TEST_F(GatherTest, ARefusedGatherLeavesItsTasksRunning) {
  EventLoop other(LoopOptions{.clock = &clock});
  const auto there = other.create_future<int>();
  run([&] {
    EXPECT_THROW(static_cast<void>(gather([&] { trace("ran"); return 1; }, there)), std::invalid_argument);
    sleep(1ms);
  });
  EXPECT_EQ(events, Trace{"ran"});
}

// G1. CPython: test_tasks.py, test_duplicate_coroutines.
TEST_F(GatherTest, AFuturePassedTwiceIsWaitedForOnceAndFillsBothPlaces) {
  run([&] {
    auto task = create_task(worker("once", 1ms, 5));
    auto other = create_task(worker("other", 2ms, 6));
    EXPECT_EQ(await(gather(task, task, other, task)), std::tuple(5, 5, 6, 5));
    EXPECT_EQ(await(gather(std::vector{task, other, task})), (Ints{5, 6, 5}));
    const auto twice = await(gather(return_exceptions, task, task));
    EXPECT_EQ(std::get<0>(twice).value() + std::get<1>(twice).value(), 10);
  });
  EXPECT_EQ(events, (Trace{"1 once done", "2 other done"}));
}

// G6.
TEST_F(GatherTest, OfDoneFuturesIsDoneAtOnce) {
  run([&] {
    const auto all = gather(done_future(1), done_future(std::string("two")));
    EXPECT_TRUE(all.done());
    EXPECT_EQ(await(all), std::tuple(1, std::string("two")));
    const auto failed = gather(done_future(1), failed_future("first"), failed_future("second"));
    EXPECT_EQ(ending_of([&] { await(failed); }), "Boom: first");
    // One is still pending: the failure of a done one ends it anyway.
    const auto pending = future<int>();
    EXPECT_EQ(ending_of([&] { await(gather(pending, failed_future("done"))); }), "Boom: done");
  });
}

// As G10 for as_completed: CPython promises no order of starting, coir the order of the arguments.
TEST_F(GatherTest, CallablesStartInTheOrderOfTheArguments) {
  run([&] {
    const auto start = [this](const char* name) { return [this, name] { trace(name); }; };
    await(gather(start("1"), start("2"), start("3"), start("4")));
    std::deque<std::function<void()>> more{start("5"), start("6"), start("7")};
    await(gather(more));
  });
  EXPECT_EQ(events, (Trace{"1", "2", "3", "4", "5", "6", "7"}));
}

TEST_F(GatherTest, CallbacksOfTheResultRunInTheTurnAfterTheLastChildReported) {
  run([&] {
    auto child = create_task([] { return 1; });
    const auto all = gather(child);
    child.add_done_callback([&] { trace("of the child"); });
    all.add_done_callback([&] { trace("of the gather"); });
    loop().call_soon([&] { trace("soon"); });
    await(all);
    trace("awaited");
  });
  EXPECT_EQ(events, (Trace{"soon", "of the child", "of the gather", "awaited"}));
}

TEST_F(GatherTest, GathersNest) {
  run([&] {
    const auto [pair, three] = await(gather(gather(worker("a", 2ms, 1), worker("b", 1ms, 2)), worker("c", 3ms, 3)));
    EXPECT_EQ(pair, std::tuple(1, 2));
    EXPECT_EQ(three, 3);
  });
  EXPECT_EQ(events, (Trace{"1 b done", "2 a done", "3 c done"}));
}

TEST_F(GatherTest, DroppingItStopsNothingAndLeaksNothing) {
  auto alive = std::make_shared<int>();
  run([&] {
    static_cast<void>(gather([&, alive] { sleep(10ms); trace("ran on"); }, future<int>()));
    sleep(20ms);
  });
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(events, Trace{"ran on"});
}

// CPython keeps a gather alive through the callbacks of its children.
TEST_F(GatherTest, ADroppedOneStillRunsItsCallbacks) {
  run([&] {
    gather(worker("a", 20ms), worker("b", 10ms)).add_done_callback([&] { mark("callback"); });
    sleep(30ms);
  });
  EXPECT_EQ(events, (Trace{"10 b done", "20 a done", "20 callback"}));
}

TEST_F(GatherTest, FailedChildrenOfADroppedOneReportThemselves) {
  run([&] {
    static_cast<void>(gather([]() -> int { throw Boom("left alone"); }));
    sleep(1ms);
  });
  expect_reported({"Task exception was never retrieved: coir::test::Boom: left alone"});
}

TEST_F(GatherTest, ManyChildren) {
  run([&] {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 2000; ++i) {
      tasks.push_back(create_task([i] {
        sleep(std::chrono::milliseconds(i * 7919 % 2003));
        return i;
      }));
    }
    const Ints results = await(gather(tasks));
    ASSERT_EQ(results.size(), tasks.size());
    for (int i = 0; i < 2000; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
  });
}

}  // namespace
}  // namespace coir::test
