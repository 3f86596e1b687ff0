// SPDX-License-Identifier: MIT
#include <coir/semaphore.hpp>

#include "locks_test.hpp"

#include <algorithm>

namespace coir::test {
namespace {

class SemaphoreTest : public LocksTest {};

// CPython: test_locks.py, SemaphoreTests.test_initial_value_zero.
TEST_F(SemaphoreTest, OneWithoutPermitsIsLocked) {
  Semaphore semaphore(0);
  EXPECT_TRUE(semaphore.locked());
  EXPECT_FALSE(semaphore.try_acquire());
  semaphore.release();
  EXPECT_TRUE(semaphore.try_acquire());
}

// CPython: test_locks.py, SemaphoreTests.test_semaphore.
TEST_F(SemaphoreTest, HasOnePermitUnlessToldOtherwise) {
  const Semaphore semaphore;
  EXPECT_FALSE(semaphore.locked());
  EXPECT_EQ(semaphore.value(), 1);
}

// CPython: test_locks.py, SemaphoreTests.test_semaphore_value.
TEST_F(SemaphoreTest, ANegativeValueIsAnError) {
  EXPECT_THROW(Semaphore(-1), std::invalid_argument);
  EXPECT_THROW(BoundedSemaphore(-1), std::invalid_argument);
  Semaphore semaphore;
  EXPECT_THROW(semaphore.release(-1), std::invalid_argument);
  EXPECT_EQ(semaphore.value(), 1);
}

// CPython: test_locks.py, SemaphoreTests.test_acquire.
TEST_F(SemaphoreTest, GivesPermitsInTheOrderOfAsking) {
  Semaphore semaphore(3);
  run([&] {
    semaphore.acquire();
    semaphore.acquire();
    EXPECT_FALSE(semaphore.locked());
    auto t1 = taker(semaphore, "1");
    auto t2 = taker(semaphore, "2");
    auto t3 = taker(semaphore, "3");
    turn();
    EXPECT_EQ(events, Trace{"1"});
    EXPECT_TRUE(semaphore.locked());
    EXPECT_EQ(semaphore.value(), 0);
    auto t4 = taker(semaphore, "4");
    semaphore.release();
    semaphore.release();
    EXPECT_EQ(semaphore.value(), 0);
    turn();
    EXPECT_EQ(events, (Trace{"1", "2", "3"}));
    EXPECT_EQ(semaphore.value(), 0);
    EXPECT_TRUE(semaphore.locked());
    EXPECT_FALSE(t4.done());
    semaphore.release();
    await(gather(t1, t2, t3, t4));
  });
}

TEST_F(SemaphoreTest, ReleaseOfSeveralWakesAsMany) {
  Semaphore semaphore(0);
  run([&] {
    std::vector<Task<void>> tasks;
    for (const char* name : {"1", "2", "3"}) tasks.push_back(taker(semaphore, name));
    turn();
    semaphore.release(2);
    turn();
    EXPECT_EQ(events, (Trace{"1", "2"}));
    semaphore.release(0);
    semaphore.release(3);
    await(tasks[2]);
    EXPECT_EQ(semaphore.value(), 2);
  });
}

// K4.
TEST_F(SemaphoreTest, ANewcomerQueuesBehindTheWokenWaiter) {
  Semaphore semaphore(1);
  run([&] {
    semaphore.acquire();
    auto waiter = taker(semaphore, "waiter");
    turn();
    auto newcomer = taker(semaphore, "newcomer");
    semaphore.release();
    EXPECT_TRUE(semaphore.locked());
    EXPECT_FALSE(semaphore.try_acquire());
    EXPECT_EQ(semaphore.value(), 0);
    turn();
    EXPECT_EQ(events, Trace{"waiter"});
    semaphore.release();
    await(newcomer);
  });
}

// K4.
TEST_F(SemaphoreTest, TwoReleasesWakeTwoInOneTurn) {
  Semaphore semaphore(0);
  run([&] {
    auto one = taker(semaphore, "1");
    auto two = taker(semaphore, "2");
    turn();
    semaphore.release();
    semaphore.release();
    turn();
    EXPECT_TRUE(one.done() && two.done());
  });
}

// K4.
TEST_F(SemaphoreTest, ATaskCancelledWhenItWasGivenAPermitHandsItOn) {
  Semaphore semaphore(1);
  run([&] {
    semaphore.acquire();
    auto woken = taker(semaphore, "woken");
    auto next = taker(semaphore, "next");
    turn();
    semaphore.release();
    woken.cancel();
    turn();
    EXPECT_TRUE(woken.cancelled());
    EXPECT_EQ(semaphore.value(), 0);
    await(next);
    EXPECT_EQ(semaphore.value(), 0);
  });
  EXPECT_EQ(events, Trace{"next"});
}

// K4.
TEST_F(SemaphoreTest, WithNobodyElseInLineItPutsThePermitBack) {
  Semaphore semaphore(0);
  run([&] {
    auto woken = taker(semaphore, "woken");
    turn();
    semaphore.release();
    woken.cancel();
    EXPECT_EQ(ending_of([&] { await(woken); }), "CancelledError");
    EXPECT_EQ(semaphore.value(), 1);
    EXPECT_FALSE(semaphore.locked());
  });
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_cancel.
TEST_F(SemaphoreTest, ACancelledWaiterLeavesTheLine) {
  Semaphore semaphore;
  run([&] {
    semaphore.acquire();
    auto task = taker(semaphore, "taken");
    loop().call_soon([&] { task.cancel("enough"); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: enough");
    semaphore.release();
    EXPECT_EQ(semaphore.value(), 1);
  });
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_cancel_before_awoken.
TEST_F(SemaphoreTest, ReleasePassesOverThoseCancelledInTheSameTurn) {
  Semaphore semaphore(0);
  run([&] {
    std::vector<Task<void>> tasks;
    for (const char* name : {"1", "2", "3", "4"}) tasks.push_back(taker(semaphore, name));
    turn();
    tasks[0].cancel();
    tasks[1].cancel();
    semaphore.release();
    turn();
    turn();
    EXPECT_EQ(events, Trace{"3"});
    EXPECT_FALSE(tasks[3].done());
    tasks[3].cancel();
    turn();
    EXPECT_TRUE(tasks[3].cancelled());
    EXPECT_EQ(semaphore.value(), 0);
  });
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_hang.
TEST_F(SemaphoreTest, TheSecondInLineIsServedWhenTheFirstIsCancelled) {
  Semaphore semaphore(0);
  run([&] {
    auto t1 = taker(semaphore, "1");
    auto t2 = taker(semaphore, "2");
    turn();
    t1.cancel();
    semaphore.release();
    turn();
    turn();
    EXPECT_TRUE(semaphore.locked());
    EXPECT_TRUE(t2.done());
  });
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_no_hang.
TEST_F(SemaphoreTest, ACancelledWaiterDoesNotTakeThePermitWithIt) {
  Semaphore semaphore(1);
  run([&] {
    Task<void> t2;
    auto t1 = create_task([&] {
      {
        const std::scoped_lock permit(semaphore);
        turn();
      }
      t2.cancel();
    });
    t2 = create_task([&] {
      const std::scoped_lock permit(semaphore);
      trace("not reached");
    });
    const auto [r1, r2] = await(gather(return_exceptions, t1, t2));
    EXPECT_TRUE(r1.has_value());
    EXPECT_EQ(ending_of(r2.error()), "CancelledError");
    EXPECT_EQ(ending_of([&] { wait_for([&] { semaphore.acquire(); }, 1s); }), "returned");
  });
  EXPECT_EQ(events, Trace{});
}

// CPython: test_locks.py, SemaphoreTests.test_release_not_acquired.
TEST_F(SemaphoreTest, ABoundedOneIsNotReleasedTooOften) {
  BoundedSemaphore bounded(2);
  const auto line = std::to_string(__LINE__ - 1);
  expect_usage_error(Reason::released_too_often,
                     "BoundedSemaphore.release() of the object created at semaphore_test.cpp:" + line,
                     [&] { bounded.release(); });
  EXPECT_TRUE(bounded.try_acquire());
  Semaphore& base = bounded;
  expect_usage_error(Reason::released_too_often, "its value is 1 of 2", [&] { base.release(2); });
  EXPECT_EQ(bounded.value(), 1);
  base.release();
  EXPECT_EQ(bounded.value(), 2);
  Semaphore most(Semaphore::max());
  expect_usage_error(Reason::released_too_often, "Semaphore.release()", [&] { most.release(); });
}

// CPython: test_locks.py, SemaphoreTests.test_release_no_waiters.
TEST_F(SemaphoreTest, IsUnlockedByRelease) {
  Semaphore semaphore;
  semaphore.acquire();
  EXPECT_TRUE(semaphore.locked());
  semaphore.release();
  EXPECT_FALSE(semaphore.locked());
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_fifo_order.
TEST_F(SemaphoreTest, TasksThatComeBackAreServedInTurns) {
  Semaphore semaphore(1);
  run([&] {
    const auto twice = [&](const std::string& name) {
      return create_task([&, name] {
        for (const char* time : {"_1", "_2"}) {
          const std::scoped_lock permit(semaphore);
          mark(name + time);
          sleep(10ms);
        }
      });
    };
    auto c1 = twice("c1");
    auto c2 = twice("c2");
    auto c3 = twice("c3");
    await(gather(c1, c2, c3));
  });
  EXPECT_EQ(events, (Trace{"0 c1_1", "10 c2_1", "20 c3_1", "30 c1_2", "40 c2_2", "50 c3_2"}));
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_fifo_order_2.
TEST_F(SemaphoreTest, ATaskThatComesBackAtOnceGoesToTheEndOfTheLine) {
  Semaphore semaphore(1);
  run([&] {
    auto t1 = taker(semaphore, "1");
    auto t2 = create_task([&] {
      semaphore.acquire();
      trace("2");
      semaphore.release();
      semaphore.acquire();
      trace("4");
    });
    auto t3 = taker(semaphore, "3");
    turn();
    semaphore.release();
    semaphore.release();
    await(gather(t1, t2, t3));
  });
  EXPECT_EQ(events, (Trace{"1", "2", "3", "4"}));
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_fifo_order_3.
TEST_F(SemaphoreTest, TheOthersKeepTheirOrderWhenTheFirstIsCancelled) {
  Semaphore semaphore(0);
  run([&] {
    auto t1 = taker(semaphore, "1");
    auto t2 = taker(semaphore, "2");
    auto t3 = taker(semaphore, "3");
    turn();
    t1.cancel();
    turn();
    semaphore.release();
    semaphore.release();
    await(gather(return_exceptions, t1, t2, t3));
  });
  EXPECT_EQ(events, (Trace{"2", "3"}));
}

// CPython: test_locks.py, SemaphoreTests.test_acquire_fifo_order_4.
TEST_F(SemaphoreTest, ATaskThatGotItsPermitServesThoseWhoQueuedAlthoughPermitsWereThere) {
  Semaphore semaphore(0);
  run([&] {
    Task<void> t4;
    auto t1 = create_task([&] {
      semaphore.acquire();
      EXPECT_EQ(semaphore.value(), 0);
      t4 = create_task([&] { trace("4"); });
      trace("1");
    });
    auto t2 = create_task([&] {
      for (int i = 0; i < 3; ++i) semaphore.release();
      EXPECT_EQ(semaphore.value(), 2);
      EXPECT_TRUE(semaphore.locked());
      semaphore.acquire();
      trace("2");
    });
    auto t3 = create_task([&] {
      semaphore.acquire();
      EXPECT_TRUE(semaphore.locked());
      trace("3");
    });
    turn();
    EXPECT_EQ(semaphore.value(), 2);
    turn();
    await(gather(t1, t2, t3, t4));
  });
  EXPECT_EQ(events, (Trace{"1", "2", "3", "4"}));
}

TEST_F(SemaphoreTest, LimitsHowManyAreInside) {
  Semaphore semaphore(3);
  int inside = 0;
  int most = 0;
  run([&] {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.push_back(create_task([&] {
        const std::scoped_lock permit(semaphore);
        most = std::max(most, ++inside);
        sleep(10ms);
        --inside;
      }));
    }
    await(gather(tasks));
  });
  EXPECT_EQ(most, 3);
  EXPECT_EQ(elapsed_ms(), 40);
  EXPECT_EQ(semaphore.value(), 3);
}

TEST_F(SemaphoreTest, NeedsNoTaskWhileAPermitIsThere) {
  BoundedSemaphore semaphore(1);
  semaphore.acquire();
  expect_usage_error(Reason::no_running_loop, "BoundedSemaphore.acquire()", [&] { semaphore.acquire(); });
  semaphore.release();
}

// K9.
TEST_F(SemaphoreTest, IsBoundToALoopByTheFirstWaitOnly) {
  Semaphore semaphore(1);
  run([&] {
    semaphore.acquire();
    auto waiter = taker(semaphore, "waiter");
    turn();
    semaphore.release();
    await(waiter);
  });
  run_virtual([&] {
    expect_usage_error(Reason::wrong_loop, "Semaphore.acquire()", [&] { semaphore.acquire(); });
    semaphore.release();
    semaphore.acquire();
  });
}

TEST_F(SemaphoreTest, ThoseWhoWaitWhenItIsDestroyedGetAUsageError) {
  run([&] {
    auto semaphore = std::make_unique<Semaphore>(0);
    auto woken = taker(*semaphore, "woken");
    auto waiting = taker(*semaphore, "waiting");
    turn();
    semaphore->release();
    woken.cancel();
    semaphore.reset();
    for (const auto& task : {woken, waiting}) {
      expect_usage_error(Reason::destroyed_while_waiting, "Semaphore.acquire()", [&] { await(task); });
    }
  });
}

}  // namespace
}  // namespace coir::test
