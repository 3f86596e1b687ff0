// SPDX-License-Identifier: MIT
// Barrier: arriving, leaving, cancellation. reset() and abort(): barrier_broken_test.cpp.
#include <coir/barrier.hpp>

#include "locks_test.hpp"

#include <algorithm>

namespace coir::test {
namespace {

class BarrierTest : public LocksTest {
 protected:
  static constexpr int n = 5;

  /// A task that passes once and traces its name and its number.
  Task<void> passer(Barrier& barrier, const std::string& name) {
    return create_task([this, &barrier, name] { trace(name + " " + std::to_string(barrier.wait())); });
  }
  template <class Fn>
  static void run_tasks(int count, Fn fn) {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(create_task(fn));
    await(gather(tasks));
  }
  static std::vector<std::size_t> sorted(std::vector<std::size_t> numbers) {
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }
};

// CPython: test_locks.py, BarrierTests.test_barrier_parties, BarrierTests.test_barrier.
TEST_F(BarrierTest, IsForAtLeastOne) {
  EXPECT_THROW(Barrier(0), std::invalid_argument);
  EXPECT_THROW(Barrier(-4), std::invalid_argument);
  const Barrier barrier(n);
  EXPECT_EQ(barrier.parties(), 5U);
  EXPECT_EQ(barrier.n_waiting(), 0U);
  EXPECT_FALSE(barrier.broken());
}

// K8.
TEST_F(BarrierTest, TheLastToArriveLeavesFirstAndNumbersFollowTheArrival) {
  Barrier barrier(3);
  run([&] {
    auto a = passer(barrier, "a");
    auto b = passer(barrier, "b");
    auto c = passer(barrier, "c");
    await(gather(a, b, c));
  });
  EXPECT_EQ(events, (Trace{"c 2", "a 0", "b 1"}));
}

// CPython: test_locks.py, BarrierTests.test_context_manager.
TEST_F(BarrierTest, GivesEachTaskANumberOfItsOwn) {
  Barrier barrier(3);
  std::vector<std::size_t> numbers;
  run([&] { run_tasks(3, [&] { numbers.push_back(barrier.wait()); }); });
  EXPECT_EQ(sorted(numbers), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(barrier.n_waiting(), 0U);
  EXPECT_FALSE(barrier.broken());
}

// CPython: test_locks.py, BarrierTests.test_filling_one_task, BarrierTests.test_filling_one_task_twice.
TEST_F(BarrierTest, OneOfOnePassesAtOnceAgainAndAgain) {
  Barrier barrier(1);
  EXPECT_EQ(barrier.wait(), 0U);  // needs no task then
  run([&] {
    EXPECT_EQ(turns_of([&] {
                EXPECT_EQ(barrier.wait(), 0U);
                EXPECT_EQ(barrier.wait(), 0U);
              }),
              0U);
    EXPECT_EQ(barrier.n_waiting(), 0U);
    EXPECT_FALSE(barrier.broken());
  });
}

// CPython: test_locks.py, BarrierTests.test_filling_task_by_task.
TEST_F(BarrierTest, CountsThoseWhoWait) {
  Barrier barrier(3);
  run([&] {
    auto t1 = passer(barrier, "1");
    turn();
    EXPECT_EQ(barrier.n_waiting(), 1U);
    auto t2 = passer(barrier, "2");
    turn();
    EXPECT_EQ(barrier.n_waiting(), 2U);
    auto t3 = passer(barrier, "3");
    turn();
    EXPECT_EQ(barrier.n_waiting(), 0U);
    EXPECT_TRUE(t3.done());
    EXPECT_FALSE(t1.done());
    await(gather(t1, t2, t3));
    EXPECT_FALSE(barrier.broken());
  });
}

// CPython: test_locks.py, BarrierTests.test_filling_tasks_wait_twice,
// BarrierTests.test_filling_tasks_check_return_value.
TEST_F(BarrierTest, IsPassedByAllBeforeAnyPassesAgain) {
  Barrier barrier(n);
  std::vector<std::size_t> numbers;
  run([&] {
    run_tasks(n, [&] {
      barrier.wait();
      trace("first");
      numbers.push_back(barrier.wait());
      trace("second");
    });
  });
  Trace expected(n, "first");
  expected.insert(expected.end(), n, "second");
  EXPECT_EQ(events, expected);
  EXPECT_EQ(sorted(numbers), (std::vector<std::size_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(barrier.n_waiting(), 0U);
}

// CPython: test_locks.py, BarrierTests.test_draining_state.
TEST_F(BarrierTest, ANewcomerWaitsOutsideWhileItDrains) {
  Barrier barrier(2);
  run([&] {
    auto a = passer(barrier, "a");
    turn();
    auto b = passer(barrier, "b");
    auto early = passer(barrier, "early");  // comes when b has left and a has not
    turn();
    EXPECT_EQ(events, Trace{"b 1"});
    EXPECT_EQ(barrier.n_waiting(), 0U);
    turn();
    EXPECT_EQ(events, (Trace{"b 1", "a 0"}));
    turn();
    EXPECT_EQ(barrier.n_waiting(), 1U);
    auto d = passer(barrier, "d");
    await(gather(a, early, d));
  });
  EXPECT_EQ(events, (Trace{"b 1", "a 0", "d 1", "early 0"}));
}

// CPython: test_locks.py, BarrierTests.test_blocking_tasks_while_draining.
TEST_F(BarrierTest, ThoseWhoComeBackWaitForTheOthers) {
  constexpr int rewait = 2;
  Barrier barrier(n);
  Barrier others(n - rewait);
  int left = rewait;
  run([&] {
    run_tasks(n, [&] {
      barrier.wait();
      if (left > 0) {
        --left;
        barrier.wait();
      } else {
        others.wait();
        trace("others");
        barrier.wait();
      }
    });
  });
  EXPECT_EQ(events, (Trace{"others", "others", "others"}));
}

// CPython: test_locks.py, BarrierTests.test_filling_tasks_cancel_one.
TEST_F(BarrierTest, ACancelledTaskIsNotWaitedWith) {
  Barrier barrier(3);
  run([&] {
    auto t1 = passer(barrier, "1");
    turn();
    auto t2 = passer(barrier, "2");
    turn();
    EXPECT_EQ(barrier.n_waiting(), 2U);
    t1.cancel();
    turn();
    EXPECT_EQ(barrier.n_waiting(), 1U);
    EXPECT_EQ(ending_of([&] { await(t1); }), "CancelledError");
    auto t3 = passer(barrier, "3");
    turn();
    EXPECT_EQ(barrier.n_waiting(), 2U);
    EXPECT_EQ(events, Trace{});
    auto t4 = passer(barrier, "4");
    await(gather(t2, t3, t4));
    EXPECT_EQ(barrier.n_waiting(), 0U);
    EXPECT_FALSE(barrier.broken());
  });
}

// K8: where asyncio would give 1, 1 and 2.
TEST_F(BarrierTest, NumbersStayDistinctWhenATaskIsCancelled) {
  Barrier barrier(3);
  run([&] {
    auto a = passer(barrier, "a");
    auto b = passer(barrier, "b");
    turn();
    a.cancel();
    turn();
    auto c = passer(barrier, "c");
    turn();
    auto d = passer(barrier, "d");
    await(gather(b, c, d));
  });
  EXPECT_EQ(events, (Trace{"d 2", "b 0", "c 1"}));
}

// As in asyncio, where the cancelled task's Condition.wait() wakes the next, which then finds nothing changed.
TEST_F(BarrierTest, ACancelledTaskSendsTheFirstInLineToItsEnd) {
  Barrier barrier(4);
  run([&] {
    auto a = passer(barrier, "a");
    auto b = passer(barrier, "b");
    auto cancelled = passer(barrier, "cancelled");
    turn();
    cancelled.cancel();
    turn();
    auto c = passer(barrier, "c");
    turn();
    auto d = passer(barrier, "d");
    await(gather(a, b, c, d));
  });
  EXPECT_EQ(events, (Trace{"d 3", "b 1", "a 0", "c 2"}));
}

// As in asyncio: the barrier learns of a cancellation when the task runs.
TEST_F(BarrierTest, ATaskCancelledInTheTurnOfTheLastArrivalHasArrived) {
  Barrier barrier(3);
  run([&] {
    auto a = passer(barrier, "a");
    auto b = passer(barrier, "b");
    auto c = passer(barrier, "c");
    loop().call_soon([&] { a.cancel(); });
    loop().call_soon([&] { b.cancel(); });
    await(c);
    EXPECT_EQ(ending_of([&] { await(a); }), "CancelledError");
    EXPECT_EQ(ending_of([&] { await(b); }), "CancelledError");
    EXPECT_EQ(barrier.n_waiting(), 0U);
    run_tasks(3, [&] { barrier.wait(); });  // it is empty
  });
  EXPECT_EQ(events, Trace{"c 2"});
}

TEST_F(BarrierTest, ATaskCancelledOutsideDoesNotCount) {
  Barrier barrier(2);
  run([&] {
    auto a = passer(barrier, "a");
    turn();
    auto b = passer(barrier, "b");
    auto outside = passer(barrier, "outside");
    turn();
    outside.cancel();
    EXPECT_EQ(ending_of([&] { await(outside); }), "CancelledError");
    EXPECT_EQ(barrier.n_waiting(), 0U);
    auto c = passer(barrier, "c");
    auto d = passer(barrier, "d");
    await(gather(a, b, c, d));
  });
  EXPECT_EQ(events, (Trace{"b 1", "a 0", "d 1", "c 0"}));
}

// K9.
TEST_F(BarrierTest, IsBoundToALoopByTheFirstWaitOnly) {
  Barrier barrier(2);
  expect_usage_error(Reason::no_running_loop, "Barrier.wait()", [&] { barrier.wait(); });
  EXPECT_EQ(barrier.n_waiting(), 0U);
  run([&] { run_tasks(2, [&] { barrier.wait(); }); });
  run_virtual([&] {
    expect_usage_error(Reason::wrong_loop, "Barrier.wait()", [&] { barrier.wait(); });
    EXPECT_EQ(barrier.n_waiting(), 0U);
  });
}

TEST_F(BarrierTest, ThoseWhoWaitWhenItIsDestroyedGetAUsageError) {
  run([&] {
    auto barrier = std::make_unique<Barrier>(3);
    auto a = passer(*barrier, "a");
    auto b = passer(*barrier, "b");
    turn();
    b.cancel();
    barrier.reset();
    for (const auto& task : {a, b}) {
      expect_usage_error(Reason::destroyed_while_waiting, "Barrier.wait()", [&] { await(task); });
    }
  });
}

}  // namespace
}  // namespace coir::test
