// SPDX-License-Identifier: MIT
// Lock: who gets it when. Loops, holders, unwinding, the end of it: lock_context_test.cpp.
#include <coir/lock.hpp>

#include "locks_test.hpp"

namespace coir::test {
namespace {

class LockTest : public LocksTest {};

// K1. CPython: test_locks.py, LockTests.test_acquire.
TEST_F(LockTest, IsTakenInTheOrderOfAskingOneTaskForEachRelease) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto t1 = taker(lock, "1");
    auto t2 = taker(lock, "2");
    turn();
    EXPECT_EQ(events, Trace{});
    lock.release();
    turn();
    EXPECT_EQ(events, Trace{"1"});
    turn();
    EXPECT_EQ(events, Trace{"1"});
    auto t3 = taker(lock, "3");
    lock.release();
    turn();
    EXPECT_EQ(events, (Trace{"1", "2"}));
    lock.release();
    turn();
    EXPECT_EQ(events, (Trace{"1", "2", "3"}));
    EXPECT_TRUE(t1.done() && t2.done() && t3.done());
  });
}

// K1.
TEST_F(LockTest, ANewcomerDoesNotOvertakeTheWokenWaiter) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto waiter = taker(lock, "waiter");
    turn();
    auto newcomer = taker(lock, "newcomer");  // gets to acquire() in the turn in which the waiter was woken
    lock.release();
    EXPECT_FALSE(lock.locked());
    EXPECT_FALSE(lock.try_lock());
    turn();
    EXPECT_TRUE(lock.locked());
    lock.release();
    await(newcomer);
  });
  EXPECT_EQ(events, (Trace{"waiter", "newcomer"}));
}

// K1: also the task that has just released it.
TEST_F(LockTest, ReleaseAndAcquireLetsTheWaiterGoFirst) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto waiter = create_task([&] {
      const std::scoped_lock held(lock);
      trace("waiter");
    });
    turn();
    lock.release();
    lock.acquire();
    trace("again");
    await(waiter);
  });
  EXPECT_EQ(events, (Trace{"waiter", "again"}));
}

// CPython: test_locks.py, LockTests.test_acquire_cancel.
TEST_F(LockTest, ACancelledWaiterLeavesTheLine) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto task = taker(lock, "taken");
    loop().call_soon([&] { task.cancel("enough"); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: enough");
    lock.release();
    EXPECT_TRUE(lock.try_lock());
  });
  EXPECT_EQ(events, Trace{});
}

// K2. CPython: test_locks.py, LockTests.test_cancel_race.
TEST_F(LockTest, ReleasePassesOverAWaiterThatIsCancelledInTheSameTurn) {
  Lock lock;
  run([&] {
    auto blocker = future<void>();
    auto a = create_task([&] {
      const std::scoped_lock held(lock);
      await(blocker);
    });
    turn();
    EXPECT_TRUE(lock.locked());
    auto b = taker(lock, "B");
    auto c = taker(lock, "C");
    turn();
    blocker.set_result();
    b.cancel();
    EXPECT_FALSE(b.done());
    turn();
    EXPECT_FALSE(lock.locked());
    EXPECT_TRUE(a.done());
    EXPECT_TRUE(b.cancelled());
    await(c);
    EXPECT_TRUE(lock.locked());
  });
  EXPECT_EQ(events, Trace{"C"});
}

// K2. CPython: test_locks.py, LockTests.test_cancel_release_race.
TEST_F(LockTest, CancellingTheFirstInLineWhileReleasingWakesExactlyOneOther) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto t1 = taker(lock, "1");
    auto t2 = taker(lock, "2");
    auto t3 = taker(lock, "3");
    turn();
    loop().call_soon([&] {
      t1.cancel();
      lock.release();
    });
    EXPECT_EQ(ending_of([&] { await(t1); }), "CancelledError");
    EXPECT_TRUE(t2.done());
    EXPECT_EQ(events, Trace{"2"});
    t3.cancel();
    turn();
    EXPECT_TRUE(t3.cancelled());
  });
}

// K2. CPython: test_locks.py, LockTests.test_finished_waiter_cancelled.
TEST_F(LockTest, ATaskCancelledWhenItWasWokenPassesTheLockOn) {
  Lock lock;
  for (const bool cancel_first : {true, false}) {
    run([&] {
      lock.acquire();
      auto b = taker(lock, "B");
      turn();
      auto c = taker(lock, "C");
      turn();
      if (cancel_first) b.cancel();
      lock.release();
      if (!cancel_first) b.cancel();
      turn();
      EXPECT_TRUE(b.cancelled());
      await(c);
      EXPECT_TRUE(lock.locked());
      lock.release();
    });
  }
  EXPECT_EQ(events, (Trace{"C", "C"}));
}

TEST_F(LockTest, AWaiterCancelledWhileTheLockIsHeldWakesNobody) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto b = taker(lock, "B");
    auto c = taker(lock, "C");
    turn();
    b.cancel();
    turn();
    turn();
    EXPECT_FALSE(c.done());
    lock.release();
    await(c);
  });
}

// asyncio: "Jumping the queue if all are cancelled".
TEST_F(LockTest, CancelledWaitersDoNotHoldUpANewcomer) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto b = taker(lock, "B");
    turn();
    b.cancel();
    lock.release();
    EXPECT_EQ(turns_of([&] { lock.acquire(); }), 0U);
    turn();
    EXPECT_TRUE(b.cancelled());
    EXPECT_TRUE(lock.locked());
  });
}

// CPython: test_locks.py, LockTests.test_release_not_acquired.
TEST_F(LockTest, ReleaseOfAnUnlockedLockIsAUsageError) {
  Lock lock;
  const std::string created = here();
  const auto line = std::to_string(__LINE__ - 2);
  expect_usage_error(Reason::not_acquired, "Lock.release() of the Lock created at lock_test.cpp:" + line,
                     [&] { lock.release(); });
  expect_usage_error(Reason::not_acquired, "std::scoped_lock", [&] { lock.unlock(); });
  EXPECT_FALSE(lock.locked());
}

// CPython: test_locks.py, LockTests.test_release_no_waiters.
TEST_F(LockTest, IsUnlockedByRelease) {
  Lock lock;
  run([&] {
    lock.acquire();
    EXPECT_TRUE(lock.locked());
    lock.release();
    EXPECT_FALSE(lock.locked());
  });
}

// CPython: test_locks.py, LockTests.test_context_manager, LockTests.test_lock_by_with_statement.
TEST_F(LockTest, WorksWithTheGuardsOfTheStandardLibrary) {
  run([&] {
    Lock lock;
    Lock other;
    Condition condition;
    Semaphore semaphore;
    BoundedSemaphore bounded;
    {
      const std::lock_guard guard(lock);
      EXPECT_TRUE(lock.locked());
    }
    {
      const std::scoped_lock guard(lock, other, condition, semaphore, bounded);
      EXPECT_TRUE(lock.locked() && other.locked() && condition.locked() && semaphore.locked() && bounded.locked());
    }
    EXPECT_FALSE(lock.locked() || other.locked() || condition.locked() || semaphore.locked() || bounded.locked());
    std::unique_lock held(lock, std::defer_lock);
    EXPECT_FALSE(lock.locked());
    EXPECT_TRUE(held.try_lock());
    EXPECT_FALSE(std::unique_lock(lock, std::try_to_lock).owns_lock());
    held.unlock();
    EXPECT_EQ(std::try_lock(lock, other), -1);
    EXPECT_EQ(std::try_lock(other, lock), 0);
  });
}

// Two tasks that take the same two locks in opposite orders.
TEST_F(LockTest, ScopedLockOfSeveralDoesNotDeadlock) {
  Lock a;
  Lock b;
  run([&] {
    auto one = create_task([&] {
      for (int i = 0; i < 3; ++i) {
        const std::scoped_lock both(a, b);
        mark("ab");
        sleep(1ms);
      }
    });
    auto two = create_task([&] {
      for (int i = 0; i < 3; ++i) {
        const std::scoped_lock both(b, a);
        mark("ba");
        sleep(1ms);
      }
    });
    await(gather(one, two));
  });
  EXPECT_EQ(events.size(), 6U);
  EXPECT_EQ(elapsed_ms(), 6);
}

TEST_F(LockTest, AGuardReleasesWhenAnExceptionOrACancellationLeaves) {
  Lock lock;
  run([&] {
    EXPECT_EQ(ending_of([&] {
                const std::scoped_lock held(lock);
                throw Boom();
              }),
              "Boom: boom");
    auto task = create_task([&] {
      const std::scoped_lock held(lock);
      sleep(1h);
    });
    turn();
    EXPECT_TRUE(lock.locked());
    task.cancel();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
    EXPECT_FALSE(lock.locked());
  });
}

}  // namespace
}  // namespace coir::test
