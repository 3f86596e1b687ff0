// SPDX-License-Identifier: MIT
// Condition::wait(), cancelled at each of its stages.
#include <coir/condition.hpp>

#include "locks_test.hpp"

namespace coir::test {
namespace {

class ConditionCancelTest : public LocksTest {
 protected:
  /// A task that takes items for as long as `items` is not negative.
  Task<void> consumer(Condition& condition, int& items) {
    return create_task([&] {
      const std::scoped_lock held(condition);
      for (;;) {
        condition.wait_for([&] { return items != 0; });
        if (items < 0) return;
        --items;
      }
    });
  }
};

// CPython: test_locks.py, ConditionTests.test_wait_cancel.
TEST_F(ConditionCancelTest, ACancelledWaiterHasTheLockAgain) {
  Condition condition;
  run([&] {
    condition.acquire();
    auto task = create_task([&] { condition.wait(); });
    loop().call_soon([&] { task.cancel("enough"); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: enough");
    EXPECT_TRUE(condition.locked());
  });
}

// CPython: test_locks.py, ConditionTests.test_wait_cancel_contested.
TEST_F(ConditionCancelTest, ACancellationBetweenNotifyAndTheLockIsThrownWithTheLock) {
  Condition condition;
  run([&] {
    condition.acquire();
    auto task = create_task([&] { condition.wait(); });
    turn();
    EXPECT_FALSE(condition.locked());
    condition.acquire();
    condition.notify();
    loop().call_soon([&] { task.cancel(); });
    loop().call_soon([&] { condition.release(); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
    EXPECT_TRUE(condition.locked());
  });
}

// CPython: test_locks.py, ConditionTests.test_wait_cancel_after_notify.
TEST_F(ConditionCancelTest, ACancellationWhileAcquiringWaitsForTheLock) {
  Condition condition;
  run([&] {
    auto task = create_task([&] {
      const std::scoped_lock held(condition);
      condition.wait();
    });
    turn();
    condition.acquire();
    condition.notify();
    turn();  // it gets to acquire()
    task.cancel();
    turn();
    EXPECT_FALSE(task.done());
    condition.release();
    turn();
    EXPECT_TRUE(task.cancelled());
    EXPECT_FALSE(condition.locked());
  });
}

// K5, K7.
TEST_F(ConditionCancelTest, StaysThroughAllCancellationsAndThrowsTheMostRecent) {
  Condition condition;
  run([&] {
    auto task = create_task([&] {
      const std::scoped_lock held(condition);
      try {
        condition.wait();
      } catch (const CancelledError& error) {
        EXPECT_TRUE(condition.locked());
        trace(error.message());
        throw;
      }
    });
    turn();
    condition.acquire();
    for (const char* message : {"while waiting", "while acquiring", "again", "and again"}) {
      task.cancel(message);
      turn();
      EXPECT_FALSE(task.done());
    }
    EXPECT_EQ(task.cancelling(), 4);
    condition.release();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: and again");
    EXPECT_FALSE(condition.locked());
  });
  EXPECT_EQ(events, Trace{"and again"});
}

// K5: cancelled when the lock was handed to it already.
TEST_F(ConditionCancelTest, ACancellationOfTheOneThatIsGivenTheLockDoesNotLoseTheLock) {
  Condition condition;
  run([&] {
    auto task = create_task([&] {
      const std::scoped_lock held(condition);
      condition.wait();
    });
    turn();
    condition.acquire();
    condition.notify();
    turn();
    condition.release();
    task.cancel("late");
    auto next = taker(condition, "next");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: late");
    await(next);
  });
  EXPECT_EQ(events, Trace{"next"});
}

// CPython: test_locks.py, ConditionTests.test_timeout_in_block.
TEST_F(ConditionCancelTest, WaitMayTimeOutInsideAGuard) {
  Condition condition;
  run([&] {
    const std::scoped_lock held(condition);
    mark(ending_of([&] { wait_for([&] { condition.wait(); }, 500ms); }));
    EXPECT_TRUE(condition.locked());
  });
  EXPECT_EQ(events, Trace{"500 TimeoutError"});
  EXPECT_FALSE(condition.locked());
}

// CPython: test_locks.py, ConditionTests.test_cancelled_error_wakeup, ConditionTests.test_cancelled_error_re_aquire.
TEST_F(ConditionCancelTest, TheCancelledErrorThatCameIsTheOneThatLeaves) {
  for (const bool while_acquiring : {false, true}) {
    Condition condition;
    run([&] {
      const CancelledError* seen = nullptr;
      auto task = create_task([&] {
        const std::scoped_lock held(condition);
        try {
          condition.wait_for([&] { return while_acquiring && condition.locked() && !events.empty(); });
        } catch (const CancelledError& error) {
          seen = &error;
          throw;
        }
      });
      turn();
      if (while_acquiring) {
        condition.acquire();
        condition.notify();
        turn();
      }
      task.cancel("foo");
      if (while_acquiring) condition.release();
      try {
        await(task);
        ADD_FAILURE() << "not cancelled";
      } catch (const CancelledError& error) {
        EXPECT_EQ(error.message(), "foo");
      }
      EXPECT_NE(seen, nullptr);
    });
  }
}

// K6. CPython: test_locks.py, ConditionTests.test_cancelled_wakeup.
TEST_F(ConditionCancelTest, ANotificationOfOneThatIsCancelledReachesAnother) {
  Condition condition;
  int items = 0;
  run([&] {
    auto first = consumer(condition, items);
    auto second = consumer(condition, items);
    turn();
    {
      const std::scoped_lock held(condition);
      ++items;
      condition.notify(1);
      first.cancel();
      // Nobody notifies this one: the deadline ends it, the item is gone by then.
      EXPECT_EQ(ending_of([&] { timeout(10ms, [&] { condition.wait_for([&] { return items == 0; }); }); }),
                "TimeoutError");
      EXPECT_EQ(items, 0);
      items = -1;
      condition.notify_all();
    }
    await(second);
    EXPECT_TRUE(first.cancelled());
  });
}

// K6. CPython: test_locks.py, ConditionTests.test_cancelled_wakeup_relock.
TEST_F(ConditionCancelTest, SoDoesANotificationOfOneThatIsCancelledWhileAcquiring) {
  Condition condition;
  int items = 0;
  run([&] {
    auto first = consumer(condition, items);
    auto second = consumer(condition, items);
    turn();
    {
      const std::scoped_lock held(condition);
      ++items;
      condition.notify(1);
      turn();
      first.cancel();
      // Nobody notifies this one: the deadline ends it, the item is gone by then.
      EXPECT_EQ(ending_of([&] { timeout(10ms, [&] { condition.wait_for([&] { return items == 0; }); }); }),
                "TimeoutError");
      EXPECT_EQ(items, 0);
      items = -1;
      condition.notify_all();
    }
    await(second);
    EXPECT_TRUE(first.cancelled());
  });
}

// K6: asyncio cannot tell, so it wakes another in any case.
TEST_F(ConditionCancelTest, ACancelledWaiterMayWakeAnotherForNothing) {
  Condition condition;
  run([&] {
    std::vector<Task<void>> tasks;
    for (const char* name : {"1", "2"}) {
      tasks.push_back(create_task([&, name] {
        const std::scoped_lock held(condition);
        condition.wait();
        trace(name);
      }));
    }
    turn();
    tasks[0].cancel();
    await(tasks[1]);
    EXPECT_TRUE(tasks[0].cancelled());
  });
  EXPECT_EQ(events, Trace{"2"});
}

// T3, T4: a cancellation taken back before the task runs.
TEST_F(ConditionCancelTest, AnUncancelBeforeTheTaskRunsLeavesTheNotification) {
  Condition condition;
  run([&] {
    auto task = create_task([&] {
      const std::scoped_lock held(condition);
      condition.wait();
      trace("notified");
    });
    turn();
    {
      const std::scoped_lock held(condition);
      condition.notify();
    }
    task.cancel();
    task.uncancel();
    await(task);
  });
  EXPECT_EQ(events, Trace{"notified"});
}

// P6: wait() called by a destructor during unwinding is not thrown out of, and neither is its acquire().
TEST_F(ConditionCancelTest, WaitInADestructorDuringUnwindingIsNotCancelled) {
  struct Cleanup {
    Condition& condition;
    bool& notified;
    ~Cleanup() {
      const std::scoped_lock held(condition);
      condition.wait_for([&] { return notified; });
    }
  };
  Condition condition;
  bool notified = false;
  run([&] {
    auto task = create_task([&] {
      mark(ending_of([&] {
        const Cleanup cleanup{condition, notified};
        throw Boom();
      }));
      turn();
    });
    turn();
    task.cancel();
    turn();
    condition.acquire();
    notified = true;
    condition.notify();
    turn();
    task.cancel();
    condition.release();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
    EXPECT_FALSE(condition.locked());
  });
  EXPECT_EQ(events, Trace{"0 Boom: boom"});
}

TEST_F(ConditionCancelTest, WaitInACatchBlockIsCancelledAndHasTheLock) {
  Condition condition;
  run([&] {
    auto task = create_task([&] {
      const std::scoped_lock held(condition);
      try {
        throw Boom();
      } catch (const Boom&) {
        condition.wait();
      }
    });
    turn();
    condition.acquire();
    task.cancel("one");
    turn();
    task.cancel("two");
    turn();
    EXPECT_FALSE(task.done());
    condition.release();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: two");
    EXPECT_FALSE(condition.locked());
  });
}

}  // namespace
}  // namespace coir::test
