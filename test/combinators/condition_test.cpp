// SPDX-License-Identifier: MIT
// Condition: waiting and notifying. With cancellations: condition_cancel_test.cpp.
#include <coir/condition.hpp>

#include "locks_test.hpp"

namespace coir::test {
namespace {

class ConditionTest : public LocksTest {
 protected:
  /// A task that waits once and traces its name; it keeps the lock unless told otherwise.
  Task<void> waiter(Condition& condition, const std::string& name, bool release = false) {
    return create_task([this, &condition, name, release] {
      condition.acquire();
      condition.wait();
      trace(name);
      if (release) condition.release();
    });
  }
};

// CPython: test_locks.py, ConditionTests.test_wait.
TEST_F(ConditionTest, AWokenWaiterReturnsWhenItHasTheLock) {
  Condition condition;
  run([&] {
    auto t1 = waiter(condition, "1");
    auto t2 = waiter(condition, "2");
    auto t3 = waiter(condition, "3");
    turn();
    EXPECT_FALSE(condition.locked());
    condition.acquire();
    condition.notify();
    turn();
    EXPECT_EQ(events, Trace{});
    EXPECT_TRUE(condition.locked());
    condition.release();
    turn();
    EXPECT_EQ(events, Trace{"1"});
    EXPECT_TRUE(condition.locked());
    condition.notify(2);
    turn();
    EXPECT_EQ(events, Trace{"1"});
    condition.release();
    turn();
    EXPECT_EQ(events, (Trace{"1", "2"}));
    EXPECT_TRUE(condition.locked());
    condition.release();
    turn();
    EXPECT_EQ(events, (Trace{"1", "2", "3"}));
    EXPECT_TRUE(condition.locked());
    EXPECT_TRUE(t1.done() && t2.done() && t3.done());
  });
}

// CPython: test_locks.py, ConditionTests.test_wait_unacquired.
TEST_F(ConditionTest, WaitingWithoutTheLockIsAUsageError) {
  Condition condition;
  const auto line = std::to_string(__LINE__ - 1);
  run([&] {
    expect_usage_error(Reason::not_acquired,
                       "Condition.wait() of the Condition created at condition_test.cpp:" + line,
                       [&] { condition.wait(); });
    expect_usage_error(Reason::not_acquired, "std::unique_lock held(condition)", [&] { condition.wait(); });
  });
}

// CPython: test_locks.py, ConditionTests.test_wait_for.
TEST_F(ConditionTest, WaitForReturnsOnceThePredicateHolds) {
  Condition condition;
  bool holds = false;
  run([&] {
    auto task = create_task([&] {
      const std::scoped_lock held(condition);
      EXPECT_TRUE(condition.wait_for([&] {
        EXPECT_TRUE(condition.locked());
        return holds;
      }));
      trace("holds");
    });
    turn();
    const auto notify = [&] {
      const std::scoped_lock held(condition);
      condition.notify();
    };
    notify();
    turn();
    EXPECT_EQ(events, Trace{});
    holds = true;
    notify();
    turn();
    EXPECT_EQ(events, Trace{"holds"});
    EXPECT_TRUE(task.done());
  });
}

// CPython: test_locks.py, ConditionTests.test_wait_for_unacquired.
TEST_F(ConditionTest, WaitForNeedsTheLockOnlyIfItHasToWait) {
  Condition condition;
  EXPECT_EQ(*condition.wait_for([] { return std::optional<int>(3); }), 3);
  run([&] {
    expect_usage_error(Reason::not_acquired, "wait()", [&] { condition.wait_for([] { return false; }); });
  });
}

TEST_F(ConditionTest, APredicateThatThrowsLeavesWithTheLock) {
  Condition condition;
  run([&] {
    condition.acquire();
    EXPECT_EQ(ending_of([&] { condition.wait_for([]() -> bool { throw Boom(); }); }), "Boom: boom");
    EXPECT_TRUE(condition.locked());
  });
}

// As std::condition_variable_any has it.
TEST_F(ConditionTest, WaitsWithAUniqueLock) {
  Lock lock;
  Condition condition(lock);
  std::vector<int> items;
  run([&] {
    auto consumer = create_task([&] {
      std::unique_lock held(condition);
      condition.wait(held, [&] { return !items.empty(); });
      EXPECT_TRUE(held.owns_lock());
      trace("first " + std::to_string(items.back()));
      condition.wait(held);
      trace("second " + std::to_string(items.back()));
    });
    auto other = create_task([&] {
      std::unique_lock held(lock);
      condition.wait(held, [&] { return items.size() == 2; });
      trace("two items");
    });
    turn();
    for (const int item : {1, 2}) {
      const std::scoped_lock held(lock);
      items.push_back(item);
      if (item == 1) condition.notify_one();
      condition.notify_all();
      turn();
    }
    await(gather(consumer, other));
    EXPECT_FALSE(lock.locked());
  });
  EXPECT_EQ(events, (Trace{"first 1", "second 2", "two items"}));
}

TEST_F(ConditionTest, RefusesAGuardOfAnotherMutexOrWithoutIt) {
  Lock lock;
  Lock other;
  Condition condition(lock);
  run([&] {
    lock.acquire();
    std::unique_lock wrong(other);
    expect_usage_error(Reason::not_acquired, "wait()", [&] { condition.wait(wrong); });
    std::unique_lock empty(lock, std::defer_lock);
    expect_usage_error(Reason::not_acquired, "wait()", [&] { condition.wait(empty, [] { return true; }); });
    Condition sibling(lock);
    std::unique_lock of_sibling(sibling, std::adopt_lock);
    expect_usage_error(Reason::not_acquired, "wait()", [&] { condition.wait(of_sibling); });
  });
}

// CPython: test_locks.py, ConditionTests.test_notify.
TEST_F(ConditionTest, NotifyWakesSoManyInOrderOfArrival) {
  Condition condition;
  run([&] {
    auto t1 = waiter(condition, "1", true);
    auto t2 = waiter(condition, "2", true);
    auto t3 = waiter(condition, "3", true);
    turn();
    EXPECT_EQ(events, Trace{});
    {
      const std::scoped_lock held(condition);
      condition.notify(1);
    }
    turn();
    EXPECT_EQ(events, Trace{"1"});
    {
      const std::scoped_lock held(condition);
      condition.notify(0);
      condition.notify(1);
      condition.notify(2048);
    }
    turn();
    EXPECT_EQ(events, (Trace{"1", "2", "3"}));
    EXPECT_TRUE(t1.done() && t2.done() && t3.done());
  });
}

// CPython: test_locks.py, ConditionTests.test_notify_all.
TEST_F(ConditionTest, NotifyAllWakesAll) {
  Condition condition;
  run([&] {
    auto t1 = waiter(condition, "1", true);
    auto t2 = waiter(condition, "2", true);
    turn();
    EXPECT_EQ(events, Trace{});
    {
      const std::scoped_lock held(condition);
      condition.notify_all();
    }
    turn();
    EXPECT_EQ(events, (Trace{"1", "2"}));
    EXPECT_TRUE(t1.done() && t2.done());
  });
}

// CPython: test_locks.py, ConditionTests.test_notify_unacquired, ConditionTests.test_notify_all_unacquired.
TEST_F(ConditionTest, NotifyingWithoutTheLockIsAUsageError) {
  Condition condition;
  const auto created = "created at condition_test.cpp:" + std::to_string(__LINE__ - 1);
  expect_usage_error(Reason::not_acquired, "Condition.notify() of the Condition " + created,
                     [&] { condition.notify(); });
  expect_usage_error(Reason::not_acquired, "Condition.notify_all() of the Condition " + created,
                     [&] { condition.notify_all(); });
  expect_usage_error(Reason::not_acquired, "Lock.release()", [&] { condition.release(); });
}

TEST_F(ConditionTest, NotifyingANegativeNumberIsAnError) {
  Condition condition;
  condition.acquire();  // needs no task while it is free
  EXPECT_THROW(condition.notify(-1), std::invalid_argument);
  condition.notify();  // nobody waits: forgotten
  condition.release();
}

// CPython: test_locks.py, ConditionTests.test_context_manager.
TEST_F(ConditionTest, IsALockItself) {
  Condition condition;
  EXPECT_FALSE(condition.locked());
  {
    const std::scoped_lock held(condition);
    EXPECT_TRUE(condition.locked());
    EXPECT_FALSE(condition.try_lock());
  }
  EXPECT_FALSE(condition.locked());
}

// CPython: test_locks.py, ConditionTests.test_explicit_lock.
TEST_F(ConditionTest, SharesTheLockThatItWasGiven) {
  Lock lock;
  Condition condition(lock);
  {
    const std::scoped_lock held(condition);
    EXPECT_TRUE(lock.locked());
    EXPECT_TRUE(condition.locked());
  }
  {
    const std::scoped_lock held(lock);
    EXPECT_TRUE(condition.locked());
  }
  EXPECT_FALSE(lock.locked());
  EXPECT_FALSE(condition.locked());
}

TEST_F(ConditionTest, TwoOverOneLockAreNotifiedApart) {
  Lock lock;
  Condition full(lock);
  Condition empty(lock);
  run([&] {
    auto one = waiter(full, "full", true);
    auto two = waiter(empty, "empty", true);
    turn();
    for (Condition* condition : {&empty, &full}) {
      {
        const std::scoped_lock held(lock);
        condition->notify_all();
      }
      turn();
    }
    await(gather(one, two));
  });
  EXPECT_EQ(events, (Trace{"empty", "full"}));
}

// K9. CPython: test_locks.py, ConditionTests.test_ambiguous_loops.
TEST_F(ConditionTest, AWaitInASecondLoopIsAUsageErrorAndKeepsTheLock) {
  Lock lock;
  Condition condition(lock);
  run([&] {
    auto task = waiter(condition, "woken", true);
    turn();
    const std::scoped_lock held(condition);
    condition.notify();
    turn();
  });
  run_ready();
  run_virtual([&] {
    lock.acquire();
    expect_usage_error(Reason::wrong_loop, "Condition.wait()", [&] { condition.wait(); });
    EXPECT_TRUE(lock.locked());
    lock.release();
  });
}

TEST_F(ConditionTest, WaitingOutsideATaskKeepsTheLock) {
  Condition condition;
  condition.acquire();
  expect_usage_error(Reason::no_running_loop, "Condition.wait()", [&] { condition.wait(); });
  EXPECT_TRUE(condition.locked());
}

TEST_F(ConditionTest, ThoseWhoWaitWhenItIsDestroyedGetAUsageError) {
  run([&] {
    auto condition = std::make_unique<Condition>();
    auto waiting = waiter(*condition, "never");
    auto acquiring = waiter(*condition, "never");
    turn();
    condition->acquire();
    condition->notify();
    turn();
    condition.reset();
    expect_usage_error(Reason::destroyed_while_waiting, "Condition.wait()", [&] { await(acquiring); });
    expect_usage_error(Reason::destroyed_while_waiting, "Lock.acquire()", [&] { await(waiting); });
  });
}

TEST_F(ConditionTest, ThoseWhoWaitWhenItIsDestroyedHaveTheLockThatStays) {
  Lock lock;
  run([&] {
    auto condition = std::make_unique<Condition>(lock);
    auto task = create_task([&lock, &condition = *condition] {
      std::unique_lock held(lock);
      condition.wait(held);
    });
    turn();
    lock.acquire();
    condition.reset();
    turn();
    EXPECT_FALSE(task.done());
    lock.release();
    expect_usage_error(Reason::destroyed_while_waiting, "Condition.wait()", [&] { await(task); });
    EXPECT_FALSE(lock.locked());
  });
}

TEST_F(ConditionTest, OneOverAnothersLockMayGoOnceItHasNotifiedAll) {
  Lock lock;
  run([&] {
    auto condition = std::make_unique<Condition>(lock);
    const auto waiter = [&](const char* name) {
      return create_task([&, name, &condition = *condition] {
        std::unique_lock held(lock);
        condition.wait(held);
        trace(name);
      });
    };
    auto woken = waiter("woken");
    auto cancelled = waiter("cancelled");
    turn();
    lock.acquire();
    condition->notify_all();
    condition.reset();
    cancelled.cancel();
    turn();
    lock.release();
    await(woken);
    EXPECT_EQ(ending_of([&] { await(cancelled); }), "CancelledError");
    EXPECT_FALSE(lock.locked());
  });
  EXPECT_EQ(events, Trace{"woken"});
}

}  // namespace
}  // namespace coir::test
