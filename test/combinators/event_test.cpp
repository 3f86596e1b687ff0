// SPDX-License-Identifier: MIT
#include <coir/event.hpp>

#include "locks_test.hpp"

namespace coir::test {
namespace {

class EventTest : public LocksTest {
 protected:
  Task<void> waiter(Event& event, const std::string& name) {
    return create_task([this, &event, name] {
      event.wait();
      trace(name);
    });
  }
};

// CPython: test_locks.py, EventTests.test_wait.
TEST_F(EventTest, WakesAllWhoWaitInOrderBehindOneThatNeedNotWait) {
  Event event;
  run([&] {
    EXPECT_FALSE(event.is_set());
    auto t1 = waiter(event, "1");
    auto t2 = waiter(event, "2");
    turn();
    EXPECT_EQ(events, Trace{});
    auto t3 = waiter(event, "3");
    event.set();
    turn();
    EXPECT_EQ(events, (Trace{"3", "1", "2"}));
    EXPECT_TRUE(t1.done() && t2.done() && t3.done());
  });
}

// CPython: test_locks.py, EventTests.test_wait_on_set.
TEST_F(EventTest, ASetOneIsNotWaitedFor) {
  Event event;
  event.set();
  event.wait();  // needs no task then
  run([&] { EXPECT_EQ(turns_of([&] { event.wait(); }), 0U); });
}

// CPython: test_locks.py, EventTests.test_wait_cancel.
TEST_F(EventTest, ACancelledWaiterLeavesTheLine) {
  Event event;
  run([&] {
    auto task = waiter(event, "cancelled");
    auto other = waiter(event, "other");
    loop().call_soon([&] { task.cancel("enough"); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: enough");
    event.set();
    await(other);
  });
  EXPECT_EQ(events, Trace{"other"});
}

TEST_F(EventTest, AWaiterCancelledWhenItWasWokenIsCancelled) {
  Event event;
  run([&] {
    auto task = waiter(event, "woken");
    turn();
    event.set();
    task.cancel();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
  });
}

// CPython: test_locks.py, EventTests.test_clear.
TEST_F(EventTest, IsSetAndCleared) {
  Event event;
  EXPECT_FALSE(event.is_set());
  event.set();
  EXPECT_TRUE(event.is_set());
  event.clear();
  EXPECT_FALSE(event.is_set());
}

// K3. CPython: test_locks.py, EventTests.test_clear_with_waiters.
TEST_F(EventTest, ThoseWokenReturnEvenIfItIsClearedBeforeTheyRun) {
  Event event;
  run([&] {
    auto task = waiter(event, "1");
    turn();
    event.set();
    event.clear();
    EXPECT_FALSE(event.is_set());
    event.set();
    event.set();
    EXPECT_FALSE(task.done());
    event.clear();
    turn();
    EXPECT_TRUE(task.done());
    EXPECT_FALSE(event.is_set());
    auto late = waiter(event, "late");
    turn();
    EXPECT_FALSE(late.done());
    event.set();
    await(late);
  });
  EXPECT_EQ(events, (Trace{"1", "late"}));
}

TEST_F(EventTest, IsSetFromACallback) {
  Event event;
  loop().call_later(10ms, [&] { event.set(); });
  run([&] {
    event.wait();
    mark("set");
  });
  EXPECT_EQ(events, Trace{"10 set"});
}

TEST_F(EventTest, WaitingNeedsATask) {
  Event event;
  expect_usage_error(Reason::no_running_loop, "Event.wait()", [&] { event.wait(); });
  loop().call_soon([&] { expect_usage_error(Reason::outside_task, "Event.wait()", [&] { event.wait(); }); });
  run_ready();
}

// K9.
TEST_F(EventTest, IsBoundToALoopByTheFirstWaitOnly) {
  Event event;
  run([&] {
    auto task = waiter(event, "1");
    turn();
    event.set();
    await(task);
  });
  run_virtual([&] {
    event.wait();
    event.clear();
    expect_usage_error(Reason::wrong_loop, "Event.wait()", [&] { event.wait(); });
  });
}

TEST_F(EventTest, MayGoOnceItHasWokenAll) {
  run([&] {
    auto event = std::make_unique<Event>();
    auto woken = waiter(*event, "woken");
    auto cancelled = waiter(*event, "cancelled");
    turn();
    cancelled.cancel();
    event->set();
    event.reset();
    await(woken);
    EXPECT_EQ(ending_of([&] { await(cancelled); }), "CancelledError");
  });
}

TEST_F(EventTest, ThoseWhoStillWaitWhenItIsDestroyedGetAUsageError) {
  run([&] {
    auto event = std::make_unique<Event>();
    auto task = waiter(*event, "woken");
    auto late = waiter(*event, "cancelled behind its end");
    turn();
    event.reset();
    late.cancel();
    expect_usage_error(Reason::destroyed_while_waiting, "Event.wait()", [&] { await(task); });
    expect_usage_error(Reason::destroyed_while_waiting, "Event.wait()", [&] { await(late); });
  });
}

}  // namespace
}  // namespace coir::test
