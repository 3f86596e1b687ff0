// SPDX-License-Identifier: MIT
// gather() and cancellation, in both directions.
#include "combinators_test.hpp"

namespace coir::test {
namespace {

class GatherCancelTest : public CombinatorTest {};

// G3. CPython: test_tasks.py, test_one_cancellation.
TEST_F(GatherCancelTest, ACancelledChildFailsItButCancelsNobody) {
  run([&] {
    const auto child = future<int>();
    auto sibling = create_task(worker("sibling", 10ms, 1));
    auto outer = gather(child, sibling);
    auto waiter = create_task([&] {
      const std::string end = ending_of([&] { await(outer); });
      EXPECT_EQ(current_task().cancelling(), 0);
      mark(end);
    });
    sleep(1ms);
    child.cancel("why");
    await(waiter);
    EXPECT_TRUE(outer.done());
    EXPECT_FALSE(outer.cancelled());
    EXPECT_EQ(ending_of(outer.exception()), "CancelledError: why");
    EXPECT_EQ(await(sibling), 1);
  });
  EXPECT_EQ(events, (Trace{"1 CancelledError: why", "10 sibling done"}));
}

// G3. CPython: test_tasks.py, test_result_exception_one_cancellation.
TEST_F(GatherCancelTest, WithReturnExceptionsACancelledChildIsAResult) {
  std::vector<Future<int>> children;
  for (int i = 0; i < 6; ++i) children.push_back(future<int>());
  const auto all = gather(return_exceptions, children);
  int calls = 0;
  all.add_done_callback([&] { ++calls; });
  children[0].set_result(1);
  children[1].set_exception(Boom("1"));
  children[2].cancel("2");
  run_ready();
  EXPECT_FALSE(all.done());
  children[3].set_result(3);
  children[4].cancel();
  children[5].set_exception(Boom("5"));
  const std::vector<Outcome<int>> results = loop().run_until_complete(all);
  Trace ends;
  for (const auto& result : results) {
    ends.push_back(result ? std::to_string(result.value()) : ending_of(result.error()));
  }
  EXPECT_EQ(ends, (Trace{"1", "Boom: 1", "CancelledError: 2", "3", "CancelledError", "Boom: 5"}));
  EXPECT_EQ(calls, 1);
}

// CPython: test_tasks.py, test_cancellation_broadcast.
TEST_F(GatherCancelTest, CancellingTheTaskThatAwaitsItCancelsEveryChild) {
  const auto gate = future<void>();
  run([&] {
    const auto inner = [&] {
      await(gate);
      trace("not reached");
    };
    auto child1 = create_task(inner);
    auto child2 = create_task(inner);
    Future<std::tuple<std::monostate, std::monostate>> gatherer;
    auto outer = create_task([&] {
      gatherer = gather(child1, child2);
      await(gatherer);
      trace("not reached");
    });
    sleep(0ms);
    EXPECT_TRUE(outer.cancel());
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError");
    EXPECT_FALSE(gatherer.cancel());
    EXPECT_TRUE(gate.cancelled());
    EXPECT_TRUE(child1.cancelled());
    EXPECT_TRUE(child2.cancelled());
  });
  EXPECT_EQ(events, Trace{});
}

// G4.
TEST_F(GatherCancelTest, ItFailsWhenTheFirstChildHasCleanedUp) {
  run([&] {
    const auto cleaner = [&](const char* name, Duration cleanup) {
      return [this, name, cleanup] {
        try {
          sleep(1h);
        } catch (const CancelledError&) {
          sleep(cleanup);
          mark(name);
          throw;
        }
      };
    };
    auto a = create_task(cleaner("a", 2s));
    auto b = create_task(cleaner("b", 1s));
    auto outer = gather(a, b);
    sleep(0ms);
    EXPECT_TRUE(outer.cancel("stop"));
    EXPECT_FALSE(outer.done());
    mark(ending_of([&] { await(outer); }));
    EXPECT_FALSE(outer.cancelled());
    EXPECT_FALSE(a.done());
    static_cast<void>(wait(std::vector{a}));
  });
  EXPECT_EQ(events, (Trace{"1000 b", "1000 CancelledError: stop", "2000 a"}));
}

// G4: with return_exceptions it waits for all, and is cancelled even if every child swallowed it.
TEST_F(GatherCancelTest, WithReturnExceptionsItFailsWhenAllHaveEndedEvenIfTheySwallowedIt) {
  run([&] {
    auto outer = gather(return_exceptions, stubborn(1s), stubborn(2s));
    sleep(0ms);
    EXPECT_TRUE(outer.cancel());
    mark(ending_of([&] { await(outer); }));
    EXPECT_FALSE(outer.cancelled());
  });
  EXPECT_EQ(events, (Trace{"0 clean-up", "0 clean-up", "1000 cleaned up", "2000 cleaned up", "2000 CancelledError"}));
}

// G4.
TEST_F(GatherCancelTest, ItFailsEvenIfEveryChildSwallowedIt) {
  run([&] {
    auto outer = gather(stubborn(1s), stubborn(2s));
    sleep(0ms);
    EXPECT_TRUE(outer.cancel());
    mark(ending_of([&] { await(outer); }));
  });
  EXPECT_EQ(events.back(), "2000 CancelledError");
}

// As CPython's, where the message is that of the last child in argument order, whichever finishes last.
TEST_F(GatherCancelTest, TheMessageIsTheLastArgumentsOne) {
  run([&] {
    auto outer = gather(return_exceptions, stubborn(1s), future<int>());
    sleep(0ms);
    outer.cancel("why");
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError: why");
    outer = gather(return_exceptions, stubborn(1s), future<int>());
    const auto reversed = gather(return_exceptions, future<int>(), stubborn(1s));
    sleep(0ms);
    outer.cancel();
    reversed.cancel("why");
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError");
    EXPECT_EQ(ending_of([&] { await(reversed); }), "CancelledError");
  });
}

// G5. CPython: test_tasks.py, test_cancel_gather_1.
TEST_F(GatherCancelTest, ItCannotBeCancelledOnceAllChildrenAreDone) {
  run([&] {
    const auto gate = future<int>();
    auto all = gather([&] { return await(gate); });
    sleep(0ms);
    bool took = true;
    // Behind the child's step, before the gather's callback.
    gate.add_done_callback([&] { took = all.cancel(); });
    gate.set_result(42);
    EXPECT_EQ(await(all), std::tuple(42));
    EXPECT_FALSE(took);
  });
}

// G5.
TEST_F(GatherCancelTest, ATaskCancelledBetweenTheLastChildAndItsOwnTurnLosesTheResults) {
  run([&] {
    const auto gate = future<int>();
    Future<std::tuple<int>> all;
    auto waiter = create_task([&] {
      all = gather(gate);
      await(all);
    });
    sleep(0ms);
    gate.set_result(1);
    EXPECT_TRUE(waiter.cancel("late"));  // the child is done, its callback has not run
    EXPECT_EQ(ending_of([&] { await(waiter); }), "CancelledError: late");
    EXPECT_EQ(all.result(), std::tuple(1));
  });
}

// CPython: test_tasks.py, test_cancel_gather_2.
TEST_F(GatherCancelTest, WithReturnExceptionsTheAwaitingTaskIsStillCancelledWithItsMessage) {
  for (const std::string message : {"", "my message"}) {
    run([&] {
      auto looping = create_task([] {
        for (int i = 0; i < 20; ++i) await(gather(return_exceptions, [] { sleep(50ms); }));
      });
      sleep(220ms);
      looping.cancel(message);
      EXPECT_EQ(ending_of([&] { await(looping); }), message.empty() ? "CancelledError" : "CancelledError: my message");
    });
  }
  EXPECT_EQ(elapsed_ms(), 440);
}

// G7.
TEST_F(GatherCancelTest, CancellingOneThatFailedLeavesTheSurvivorsAlone) {
  run([&] {
    auto survivor = create_task(worker("survivor", 10ms, 1));
    const auto all = gather(survivor, []() -> int { throw Boom(); });
    EXPECT_EQ(ending_of([&] { await(all); }), "Boom: boom");
    EXPECT_FALSE(all.cancel());
    EXPECT_EQ(await(survivor), 1);
    EXPECT_EQ(survivor.cancelling(), 0);
  });
}

TEST_F(GatherCancelTest, CancelReachesTheUnfinishedChildrenOnlyAndEachOnce) {
  run([&] {
    auto finished = create_task([] { return 1; });
    auto unfinished = create_task(worker("unfinished", 1s, 2));
    await(finished);
    const auto all = gather(unfinished, finished, unfinished);
    sleep(0ms);
    EXPECT_TRUE(all.cancel("x"));
    EXPECT_EQ(unfinished.cancelling(), 1);
    EXPECT_EQ(finished.cancelling(), 0);
    EXPECT_EQ(ending_of([&] { await(all); }), "CancelledError: x");
  });
  EXPECT_EQ(events, Trace{"0 unfinished cancelled"});
}

TEST_F(GatherCancelTest, ChildrenCancelledBeforeTheirFirstStepNeverRun) {
  run([&] {
    const auto all = gather([&] { trace("not reached"); }, [&] { trace("not reached"); });
    EXPECT_TRUE(all.cancel());
    EXPECT_EQ(ending_of([&] { await(all); }), "CancelledError");
  });
  EXPECT_EQ(events, Trace{});
}

TEST_F(GatherCancelTest, NestedGathersPassCancellationDownInArgumentOrder) {
  run([&] {
    auto task = create_task([&] {
      await(gather(worker("a", 1s), gather(worker("b", 1s), gather(worker("c", 1s))), worker("d", 1s)));
    });
    sleep(10ms);
    task.cancel("down");
    mark(ending_of([&] { await(task); }));
  });
  EXPECT_EQ(events, (Trace{"10 a cancelled", "10 b cancelled", "10 c cancelled", "10 d cancelled",
                           "10 CancelledError: down"}));
}

// T23: without shield() a shared child is nobody's own.
TEST_F(GatherCancelTest, AChildOfTwoGathersIsCancelledForBoth) {
  run([&] {
    auto shared = create_task(worker("shared", 1s, 1));
    auto first = create_task([&] { await(gather(shared)); });
    auto second = create_task([&] {
      mark("second: " + ending_of([&] { await(gather(shared)); }));
      EXPECT_EQ(current_task().cancelling(), 0);
    });
    sleep(5ms);
    first.cancel();
    EXPECT_EQ(ending_of([&] { await(first); }), "CancelledError");
    await(second);
  });
  EXPECT_EQ(events, (Trace{"5 shared cancelled", "5 second: CancelledError"}));
}

TEST_F(GatherCancelTest, ACancelledChildOfADroppedGatherIsNoFailure) {
  run([&] {
    auto task = create_task(worker("child", 1s));
    static_cast<void>(gather(task));
    sleep(0ms);
    task.cancel();
    sleep(1ms);
  });
  EXPECT_EQ(events, Trace{"0 child cancelled"});
}

}  // namespace
}  // namespace coir::test
