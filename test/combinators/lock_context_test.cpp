// SPDX-License-Identifier: MIT
// Lock: outside of tasks, in a second loop, in deadlock reports, during unwinding, at the end of its life.
#include <coir/lock.hpp>

#include "locks_test.hpp"

namespace coir::test {
namespace {

class LockContextTest : public LocksTest {
 protected:
  /// The task that the future under `task` names as the one it waits for.
  static std::vector<std::string> holders_seen_by(const AnyTask& task) {
    std::vector<std::string> names;
    task.waiting_on().state().each_awaited([&](const detail::FutureState& holder) {
      names.push_back(static_cast<const detail::TaskState&>(holder).name());
    });
    return names;
  }
};

TEST_F(LockContextTest, NeedsNoTaskAndNoLoopWhileItIsFree) {
  Lock lock;
  lock.acquire();
  EXPECT_FALSE(lock.try_lock());
  expect_usage_error(Reason::no_running_loop, "Lock.acquire()", [&] { lock.acquire(); });
  loop().call_soon([&] { expect_usage_error(Reason::outside_task, "Lock.acquire()", [&] { lock.acquire(); }); });
  run_ready();
  lock.release();
  run([&] {
    lock.acquire();
    auto waiter = taker(lock, "woken");
    loop().call_soon([&] { lock.release(); });  // any may release it
    await(waiter);
  });
}

// K9. CPython: test_locks.py, ConditionTests.test_ambiguous_loops.
TEST_F(LockContextTest, IsBoundToALoopByTheFirstWaitOnly) {
  Lock lock;
  run_virtual([&] { const std::scoped_lock held(lock); });
  run([&] {
    lock.acquire();
    auto waiter = taker(lock, "waiter");
    turn();
    lock.release();
    await(waiter);  // which keeps it
  });
  run_virtual([&] {
    expect_usage_error(Reason::wrong_loop, "is bound to a different event loop", [&] { lock.acquire(); });
    Condition condition(lock);
    expect_usage_error(Reason::wrong_loop, "Lock.acquire()", [&] { condition.acquire(); });
    lock.release();
    lock.acquire();  // free: nobody looks
  });
}

TEST_F(LockContextTest, AcquiringItTwiceIsADeadlockThatIsReported) {
  Lock lock;
  const auto line = std::to_string(__LINE__ - 1);
  try {
    run([&] {
      lock.acquire();
      lock.acquire();
    });
    ADD_FAILURE() << "no deadlock";
  } catch (const DeadlockError& error) {
    EXPECT_NE(std::string(error.what()).find("waits on Lock.acquire() created at lock_context_test.cpp:" + line),
              std::string::npos)
        << error.what();
  }
  lock.release();
  run_until_stalled(loop());  // main goes on, and stops the loop
}

TEST_F(LockContextTest, AWaiterKnowsWhoHoldsIt) {
  Lock lock;
  run([&] {
    auto first = create_task(
        [&] {
          const std::scoped_lock held(lock);
          sleep(1ms);
        },
        TaskOptions{.name = "first"});
    auto second = create_task([&] { lock.acquire(); }, TaskOptions{.name = "second"});
    auto third = taker(lock, "third");
    turn();
    EXPECT_EQ(holders_seen_by(second), Trace{"first"});
    EXPECT_EQ(holders_seen_by(third), Trace{"first"});
    await(first);
    turn();
    EXPECT_TRUE(second.done());
    EXPECT_EQ(holders_seen_by(third), Trace{});  // it has ended, and will never release
    lock.release();
    await(third);
  });
}

TEST_F(LockContextTest, DoesNotKeepTheTaskThatHeldItAlive) {
  Lock lock;
  run([&] {
    static_cast<void>(create_task([&] {
      lock.acquire();
      throw Boom();
    }));
    turn();
    turn();
    EXPECT_TRUE(lock.locked());
    expect_reported({"Task exception was never retrieved: coir::test::Boom: boom"});
  });
}

TEST_F(LockContextTest, ThoseWhoWaitWhenItIsDestroyedGetAUsageError) {
  run([&] {
    auto lock = std::make_unique<Lock>();
    lock->acquire();
    auto waiting = create_task([&lock = *lock] { lock.acquire(); });
    auto cancelled = create_task([&lock = *lock] { lock.acquire(); });
    auto behind = create_task([&lock = *lock] { const std::scoped_lock held(lock); });
    turn();
    cancelled.cancel();
    lock.reset();
    for (const auto& task : {waiting, cancelled, behind}) {
      expect_usage_error(Reason::destroyed_while_waiting, "Let it outlive the tasks", [&] { await(task); });
    }
    lock = std::make_unique<Lock>();
    lock->acquire();
    auto woken = create_task([&lock = *lock] { lock.acquire(); });
    turn();
    lock->release();
    lock.reset();
    expect_usage_error(Reason::destroyed_while_waiting, "Lock.acquire()", [&] { await(woken); });
  });
}

// P6: the task is not thrown at while it unwinds, so it gets the lock; the cancellation comes behind.
TEST_F(LockContextTest, CanBeTakenInADestructorDuringUnwinding) {
  struct Cleanup {
    Lock& lock;
    ~Cleanup() { const std::scoped_lock held(lock); }
  };
  Lock lock;
  run([&] {
    lock.acquire();
    auto task = create_task([&] {
      mark(ending_of([&] {
        const Cleanup cleanup{lock};
        throw Boom();
      }));
      turn();
    });
    turn();
    task.cancel();
    lock.release();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
    EXPECT_FALSE(lock.locked());
  });
  EXPECT_EQ(events, Trace{"0 Boom: boom"});
}

TEST_F(LockContextTest, ACatchBlockMayWaitForItAndBeCancelledThere) {
  Lock lock;
  run([&] {
    lock.acquire();
    auto task = create_task([&] {
      try {
        throw Boom();
      } catch (const Boom&) {
        lock.acquire();
      }
    });
    turn();
    task.cancel();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
    lock.release();
    EXPECT_TRUE(lock.try_lock());
  });
}

TEST_F(LockContextTest, WaitForGivesAnAcquireADeadline) {
  Lock lock;
  run([&] {
    lock.acquire();
    mark(ending_of([&] { wait_for([&] { lock.acquire(); }, 10ms); }));
    lock.release();
    wait_for([&] { lock.acquire(); }, 10ms);
  });
  EXPECT_EQ(events, Trace{"10 TimeoutError"});
}

}  // namespace
}  // namespace coir::test
