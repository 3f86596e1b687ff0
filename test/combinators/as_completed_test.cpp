// SPDX-License-Identifier: MIT
#include "combinators_test.hpp"

#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>

namespace coir::test {
namespace {

class AsCompletedTest : public CombinatorTest {
 protected:
  auto returning(Duration delay, std::string value) {
    return [delay, value = std::move(value)] {
      sleep(delay);
      return value;
    };
  }
  using Call = std::function<std::string()>;
};

static_assert(std::input_iterator<AsCompleted<int>::iterator>);
static_assert(std::ranges::input_range<AsCompleted<void>>);
static_assert(std::is_same_v<std::ranges::range_reference_t<AsCompleted<int>>, Future<int>&>);

// CPython: test_tasks.py, test_as_completed.
TEST_F(AsCompletedTest, FuturesComeInTheOrderOfCompletion) {
  run([&] {
    const std::vector<Call> calls{returning(20ms, "b"), returning(150ms, "c"), returning(10ms, "a")};
    for (Future<std::string>& next : as_completed(calls)) mark(await(next));
  });
  EXPECT_EQ(events, (Trace{"10 a", "20 b", "150 c"}));
}

// G9. CPython: test_tasks.py, test_as_completed_same_tasks_in_as_out.
TEST_F(AsCompletedTest, TheFuturesAreTheVeryOnesThatWereGiven) {
  run([&] {
    const std::vector tasks{create_task([] { return 0; }), create_task([] { return 1; })};
    std::vector<Future<int>> out;
    for (Future<int>& next : as_completed(tasks)) {
      EXPECT_TRUE(next.done());
      out.push_back(next);
    }
    EXPECT_EQ(out, (std::vector<Future<int>>{tasks[0], tasks[1]}));
  });
}

// G9. CPython: test_tasks.py, test_as_completed_with_timeout.
TEST_F(AsCompletedTest, AtTheDeadlineAdvancingThrowsAndCancelsNothing) {
  run([&] {
    auto a = create_task(returning(100ms, "a"));
    auto b = create_task(returning(150ms, "b"));
    mark(ending_of([&] {
      for (Future<std::string>& next : as_completed(std::vector{a, b}, 120ms)) mark(next.result());
    }));
    EXPECT_EQ(b.cancelling(), 0);
    EXPECT_EQ(await(b), "b");
  });
  EXPECT_EQ(events, (Trace{"100 a", "120 TimeoutError"}));
}

// G9.
TEST_F(AsCompletedTest, WhatFinishedInTimeComesFirstThenOneTimeoutErrorForEachOther) {
  run([&] {
    std::vector<Task<std::string>> tasks;
    for (const auto& [delay, name] : {std::pair{1, "a"}, {2, "b"}, {50, "c"}, {60, "d"}}) {
      tasks.push_back(create_task(returning(delay * 100ms, name)));
    }
    auto range = as_completed(tasks, 1s);
    sleep(2s);
    auto it = range.begin();
    trace(await(*it));
    ++it;
    trace(it->result());
    trace(ending_of([&] { ++it; return 0; }));
    trace(ending_of([&] { ++it; return 0; }));
    ++it;
    EXPECT_EQ(it, range.end());
    ++it;
    EXPECT_EQ(it, range.end());
    wait(tasks);
  });
  EXPECT_EQ(events, (Trace{"a", "b", "TimeoutError", "TimeoutError"}));
}

// CPython: test_tasks.py, test_as_completed_with_unused_timeout.
TEST_F(AsCompletedTest, ADeadlineThatIsNotReachedLeavesNoTimer) {
  run([&] {
    for (Future<std::string>& next : as_completed(std::vector{returning(10ms, "a")}, 1s)) mark(await(next));
    EXPECT_EQ(loop().stats().timers, 0U);
  });
  EXPECT_EQ(events, Trace{"10 a"});
}

// CPython: test_tasks.py, test_as_completed_resume_iterator.
TEST_F(AsCompletedTest, IterationGoesOnWhereItWasLeft) {
  run([&] {
    std::vector<int> collected;
    std::vector<std::function<int()>> callables;
    for (int i = 0; i < 4; ++i) callables.emplace_back([i] { return i; });
    auto range = as_completed(callables);
    for (Future<int>& next : range) {
      collected.push_back(await(next));
      if (collected.size() == 2) break;
    }
    EXPECT_EQ(collected.size(), 2U);
    for (Future<int>& next : range) collected.push_back(await(next));
    EXPECT_EQ(collected, (std::vector{0, 1, 2, 3}));
  });
}

// CPython: test_tasks.py, test_as_completed_concurrent.
TEST_F(AsCompletedTest, WhatItYieldsMayBeWaitedForTogether) {
  run([&] {
    std::vector<Future<std::string>> out;
    const std::vector<Call> calls{returning(50ms, "a"), returning(50ms, "b")};
    for (Future<std::string>& next : as_completed(calls)) out.push_back(next);
    EXPECT_EQ(await(gather(out)), (std::vector<std::string>{"a", "b"}));
  });
}

// CPython: test_tasks.py, test_as_completed_reverse_wait, and what asyncio's queue gives for free.
TEST_F(AsCompletedTest, TwoTasksMayShareOneRange) {
  run([&] {
    const std::vector<Call> calls{returning(10ms, "a"), returning(20ms, "b"), returning(30ms, "c")};
    auto range = as_completed(calls);
    const auto use = [&](const char* name) {
      return [&, name] {
        for (Future<std::string>& next : range) mark(name + (" " + await(next)));
        mark(std::string(name) + " ends");
      };
    };
    await(gather(use("1"), use("2")));
  });
  EXPECT_EQ(events, (Trace{"10 1 a", "20 2 b", "20 2 ends", "30 1 c", "30 1 ends"}));
}

TEST_F(AsCompletedTest, AWakeUpThatMeetsACancellationGoesToTheNextWaiter) {
  run([&] {
    const auto one = future<int>();
    const auto two = future<int>();
    auto range = as_completed(std::vector{one, two});
    auto first = create_task([&] { static_cast<void>(range.begin()); });
    auto second = create_task([&] { mark("got " + std::to_string(await(*range.begin()))); });
    sleep(0ms);
    one.add_done_callback([&] { first.cancel(); });  // behind the wake-up of `first`
    one.set_result(1);
    await(second);
    EXPECT_TRUE(first.cancelled());
  });
  EXPECT_EQ(events, Trace{"0 got 1"});
}

TEST_F(AsCompletedTest, CancellingOneOfTwoThatShareARangeLeavesTheOther) {
  run([&] {
    auto range = as_completed(std::vector<Call>{returning(10ms, "a"), returning(20ms, "b")});
    auto first = create_task([&] { static_cast<void>(range.begin()); });
    auto second = create_task([&] { mark(await(*range.begin())); });
    sleep(1ms);
    first.cancel();
    EXPECT_EQ(ending_of([&] { await(first); }), "CancelledError");
    await(second);
    mark(await(*range.begin()));
    EXPECT_TRUE(range.begin() == range.end());
    EXPECT_THROW(*range.begin(), std::bad_optional_access) << "behind the end";
  });
  EXPECT_EQ(events, (Trace{"10 a", "20 b"}));
}

// G9. CPython: test_tasks.py, test_as_completed_duplicate_coroutines.
TEST_F(AsCompletedTest, AFutureGivenTwiceComesOnce) {
  run([&] {
    auto ham = create_task([] { return std::string("ham"); });
    auto spam = create_task([] { return std::string("spam"); });
    for (Future<std::string>& next : as_completed(std::vector{ham, ham, spam, ham})) trace(await(next));
  });
  EXPECT_EQ(events, (Trace{"ham", "spam"}));
}

// CPython: test_tasks.py, test_as_completed_coroutine_without_loop.
TEST_F(AsCompletedTest, NeedsATask) {
  EXPECT_THROW(as_completed(std::vector{done_future(1)}), UsageError);
  EXPECT_THROW(as_completed(std::vector<Call>{returning(1ms, "")}), UsageError);
  loop().call_soon([&] { EXPECT_THROW(as_completed(std::vector{done_future(1)}), UsageError); });
  run_ready();
}

// G10. CPython: test_tasks.py, test_as_completed_coroutine_use_running_loop.
TEST_F(AsCompletedTest, CallablesStartInTheOrderOfTheArguments) {
  run([&] {
    std::list<std::function<int()>> calls;
    for (int i = 0; i < 8; ++i) calls.emplace_back([this, i] { trace(std::to_string(i)); return i; });
    for (Future<int>& next : as_completed(calls)) trace("got " + std::to_string(await(next)));
  });
  EXPECT_EQ(events, (Trace{"0", "1", "2", "3", "4", "5", "6", "7", "got 0", "got 1", "got 2", "got 3", "got 4",
                           "got 5", "got 6", "got 7"}));
}

TEST_F(AsCompletedTest, DoneFuturesComeInTheOrderOfTheArguments) {
  run([&] {
    for (Future<int>& next : as_completed(std::vector{done_future(3), done_future(1), done_future(2)})) {
      trace(std::to_string(await(next)));
    }
  });
  EXPECT_EQ(events, (Trace{"3", "1", "2"}));
}

TEST_F(AsCompletedTest, OfNothingIsEmptyAndDoesNotSuspend) {
  run([&] {
    EXPECT_EQ(turns_of([&] {
                for (Future<int>& next : as_completed(std::vector<Future<int>>(), 1s)) ADD_FAILURE() << next.result();
              }),
              0U);
  });
}

TEST_F(AsCompletedTest, FailuresStayInTheFutures) {
  run([&] {
    const std::vector<Call> calls{[]() -> std::string { throw Boom("1"); }, returning(1ms, "2"),
                                  []() -> std::string { throw CancelledError("3"); }};
    for (Future<std::string>& next : as_completed(calls)) mark(ending_of([&] { await(next); }));
  });
  EXPECT_EQ(events, (Trace{"0 Boom: 1", "0 CancelledError: 3", "1 returned"}));
}

TEST_F(AsCompletedTest, LeavingEarlyStopsNothingAndLeavesNothingBehind) {
  run([&] {
    auto slow = create_task(worker("slow", 10ms));
    const auto never = future<int>();
    for (int i = 0; i < 50; ++i) {
      for (Future<int>& next : as_completed(std::vector<Future<int>>{slow, done_future(1), never}, 1h)) {
        EXPECT_EQ(next.result(), 1);
        break;
      }
    }
    CallbackCount left_behind(loop(), "as_completed");
    await(slow);
    sleep(1ms);
    EXPECT_EQ(left_behind(), 0);
    EXPECT_EQ(never.state().references(), 1U);
  });
  EXPECT_EQ(events, Trace{"10 slow done"});
}

TEST_F(AsCompletedTest, CancelledWhileItWaitsItCancelsNothingAndLosesNothing) {
  run([&] {
    auto one = create_task(worker("one", 10ms, 1));
    auto two = create_task(worker("two", 20ms, 2));
    auto consumer = create_task([&] {
      auto range = as_completed(std::vector{one, two});
      EXPECT_EQ(ending_of([&] { range.begin(); return 0; }), "CancelledError: pause");
      for (Future<int>& next : range) mark("got " + std::to_string(next.result()));
    });
    sleep(1ms);
    consumer.cancel("pause");
    await(consumer);
  });
  EXPECT_EQ(events, (Trace{"10 one done", "10 got 1", "20 two done", "20 got 2"}));
}

TEST_F(AsCompletedTest, WhatCompletesInTheTurnOfTheDeadlineAndBeforeItCounts) {
  run([&] {
    const auto early = future<int>();
    const auto late = future<int>();
    loop().call_later(10ms, [&] { early.set_result(1); });
    sleep(9ms);
    mark(ending_of([&] {
      for (Future<int>& next : as_completed(std::vector{early, late}, 1ms)) mark(std::to_string(next.result()));
    }));
  });
  // Its callback comes a turn behind the deadline, as in CPython.
  EXPECT_EQ(events, Trace{"10 TimeoutError"});
}

TEST_F(AsCompletedTest, ValuesMayBeMoveOnly) {
  run([&] {
    for (auto& next : as_completed(std::vector{create_task([] { return std::make_unique<int>(1); })})) {
      EXPECT_EQ(*await(std::move(next)), 1);
    }
  });
}

TEST_F(AsCompletedTest, NextGivesTheValuesOneByOne) {
  run([&] {
    auto all = as_completed(std::vector{create_task(worker("slow", 20ms, 2)), create_task(worker("fast", 10ms, 1))});
    EXPECT_EQ(all.next(), 1);
    EXPECT_EQ(elapsed_ms(), 10);
    EXPECT_EQ(all.next(), 2);
    EXPECT_EQ(elapsed_ms(), 20);
    EXPECT_THROW(all.next(), std::out_of_range);
  });
}

TEST_F(AsCompletedTest, NextThrowsTheFailureOfThatFutureAndGoesOn) {
  run([&] {
    auto all = as_completed(std::vector{failed_future("x"), done_future(7)});
    EXPECT_EQ(ending_of([&] { all.next(); }), "Boom: x");
    EXPECT_EQ(all.next(), 7);
  });
}

TEST_F(AsCompletedTest, NextMovesValuesThatCannotBeCopied) {
  run([&] {
    auto all = as_completed(std::vector{create_task([] { return std::make_unique<int>(5); })});
    EXPECT_EQ(*all.next(), 5);
  });
}

TEST_F(AsCompletedTest, TasksThatCallNextAtTheSameTimeGetAFutureEach) {
  run([&] {
    auto all = as_completed(std::vector{create_task(worker("a", 10ms, 1)), create_task(worker("b", 20ms, 2))});
    auto [first, second] = await(gather([&] { return all.next(); }, [&] { return all.next(); }));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 2);
  });
}

TEST_F(AsCompletedTest, NextThrowsTimeoutErrorOnceForEachThatIsLate) {
  run([&] {
    auto slow = create_task(worker("slow", 1h, 2));
    auto all = as_completed(std::vector{slow, create_task(worker("fast", 10ms, 1))}, 20ms);
    EXPECT_EQ(all.next(), 1);
    EXPECT_EQ(ending_of([&] { all.next(); }), "TimeoutError");
    EXPECT_EQ(elapsed_ms(), 20);
    EXPECT_THROW(all.next(), std::out_of_range);
    slow.cancel();
    sleep(0s);
  });
}

}  // namespace
}  // namespace coir::test
