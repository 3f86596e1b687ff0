// SPDX-License-Identifier: MIT
// Queue: order, limit, and who waits. Cancelled waiters: queue_cancel_test.cpp; join and shutdown: queue_end_test.cpp;
// what becomes of the items: queue_items_test.cpp.
#include <coir/queue.hpp>

#include "combinators_test.hpp"

#include <memory>

namespace coir::test {
namespace {

class QueueTest : public CombinatorTest {
 protected:
  /// A task that gets one item and marks it.
  Task<int> getter(Queue<int>& queue, const std::string& name) {
    return loop().create_task([this, &queue, name] {
      const int item = queue.get();
      mark(name + " got " + std::to_string(item));
      return item;
    });
  }
  Task<void> putter(Queue<int>& queue, const std::string& name, int item) {
    return loop().create_task([this, &queue, name, item] {
      queue.put(item);
      mark(name + " put " + std::to_string(item));
    });
  }
};

// CPython: test_queues.py, test_empty.
TEST_F(QueueTest, IsEmptyWithoutItems) {
  run([] {
    Queue<int> queue;
    EXPECT_TRUE(queue.empty());
    queue.put(1);
    EXPECT_FALSE(queue.empty());
    EXPECT_EQ(queue.qsize(), 1U);
    EXPECT_EQ(queue.get(), 1);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.qsize(), 0U);
  });
}

// CPython: test_queues.py, test_full.
TEST_F(QueueTest, IsFullAtItsLimitIfItHasOne) {
  run([] {
    for (const std::ptrdiff_t unlimited : {0, -1}) {
      Queue<int> queue(unlimited);
      EXPECT_FALSE(queue.full());
      for (int i = 0; i < 1000; ++i) queue.put(i);
      EXPECT_FALSE(queue.full());
      EXPECT_EQ(queue.maxsize(), unlimited);
    }
    Queue<int> queue(1);
    EXPECT_FALSE(queue.full());
    queue.put(1);
    EXPECT_TRUE(queue.full());
  });
}

// CPython: test_queues.py, QueueBasicTests.test_order.
TEST_F(QueueTest, IsFirstInFirstOut) {
  run([&] {
    Queue<int> queue;
    for (const int item : {1, 3, 2}) queue.put(item);
    for (int i = 0; i < 3; ++i) mark(std::to_string(queue.get()));
  });
  EXPECT_EQ(events, (Trace{"0 1", "0 3", "0 2"}));
}

// CPython: test_queues.py, test_maxsize.
TEST_F(QueueTest, APutterWaitsForRoom) {
  run([&] {
    Queue<int> queue(2);
    EXPECT_EQ(queue.maxsize(), 2);
    auto task = create_task([&] {
      for (int i = 0; i < 3; ++i) {
        queue.put(i);
        mark("put " + std::to_string(i));
      }
      return true;
    });
    for (int i = 0; i < 2; ++i) sleep(0s);
    EXPECT_EQ(events, (Trace{"0 put 0", "0 put 1"}));
    EXPECT_EQ(queue.get(), 0);
    sleep(0s);
    EXPECT_EQ(events, (Trace{"0 put 0", "0 put 1", "0 put 2"}));
    EXPECT_EQ(queue.get(), 1);
    EXPECT_EQ(queue.get(), 2);
    EXPECT_TRUE(task.done());
    EXPECT_TRUE(task.result());
  });
}

// Q1. CPython: test_queues.py, test_blocking_get, test_blocking_put.
TEST_F(QueueTest, WithItemsAndRoomNothingSuspends) {
  run([] {
    Queue<int> queue(1);
    EXPECT_EQ(turns_of([&] {
                for (int i = 0; i < 100; ++i) {
                  queue.put(i);
                  EXPECT_EQ(queue.get(), i);
                }
              }),
              0U);
  });
}

// Q1: nor is a pending cancellation delivered.
TEST_F(QueueTest, WithItemsAndRoomNothingDeliversACancellation) {
  run([] {
    Queue<int> queue(1);
    current_task().cancel();
    queue.put(1);
    EXPECT_EQ(queue.get(), 1);
    EXPECT_EQ(ending_of([&] { queue.get(); }), "CancelledError");
  });
}

// CPython: test_queues.py, test_get_with_putters.
TEST_F(QueueTest, AGetWakesOnePutter) {
  run([&] {
    Queue<int> queue(1);
    queue.put(1);
    auto first = putter(queue, "first", 2);
    auto second = putter(queue, "second", 3);
    sleep(0s);
    EXPECT_EQ(queue.get(), 1);
    EXPECT_TRUE(first.waiting_on().done());
    EXPECT_FALSE(second.waiting_on().done());
    sleep(0s);
    EXPECT_EQ(queue.get(), 2);
    EXPECT_EQ(queue.get(), 3);
  });
}

// CPython: test_queues.py, test_blocking_get_wait.
TEST_F(QueueTest, AGetterWaitsForAnItem) {
  run([&] {
    Queue<int> queue;
    auto task = getter(queue, "getter");
    loop().call_later(10ms, [&] {
      queue.put_nowait(1);
      mark("put");
    });
    EXPECT_EQ(await(task), 1);
  });
  EXPECT_EQ(events, (Trace{"10 put", "10 getter got 1"}));
}

// CPython: test_queues.py, test_nonblocking_get, test_nonblocking_put.
TEST_F(QueueTest, TheCallsThatNeverWaitNeedNoLoop) {
  Queue<int> queue;
  queue.put_nowait(1);
  EXPECT_EQ(queue.get_nowait(), 1);
}

// CPython: test_queues.py, test_nonblocking_get_exception, test_nonblocking_put_exception.
TEST_F(QueueTest, TheCallsThatNeverWaitThrowInstead) {
  Queue<int> queue(1);
  EXPECT_THROW(queue.get_nowait(), QueueEmpty);
  queue.put_nowait(1);
  EXPECT_THROW(queue.put_nowait(2), QueueFull);
  EXPECT_EQ(queue.get_nowait(), 1);
}

// CPython: test_queues.py, test_get_with_waiting_putters.
TEST_F(QueueTest, PuttersTakeTurns) {
  run([&] {
    Queue<int> queue(1);
    auto a = putter(queue, "a", 1);
    auto b = putter(queue, "b", 2);
    mark("got " + std::to_string(queue.get()));
    mark("got " + std::to_string(queue.get()));
  });
  EXPECT_EQ(events, (Trace{"0 a put 1", "0 got 1", "0 b put 2", "0 got 2"}));
}

// CPython: test_queues.py, test_why_are_getters_waiting.
TEST_F(QueueTest, OneItemOfRoomIsEnough) {
  run([&] {
    Queue<int> queue(1);
    task_group([&](TaskGroup& group) {
      group.create_task([&] {
        for (int i = 0; i < 5; ++i) queue.put(i);
      });
      group.create_task([&] {
        for (int i = 0; i < 5; ++i) mark(std::to_string(queue.get()));
      });
    });
  });
  EXPECT_EQ(events, (Trace{"0 0", "0 1", "0 2", "0 3", "0 4"}));
}

// CPython: test_queues.py, test_blocking_put_wait.
TEST_F(QueueTest, APutterWaitsForACallbackThatGets) {
  run([&] {
    Queue<int> queue(1);
    loop().call_later(10ms, [&] { queue.get_nowait(); });
    queue.put(1);
    mark("put 1");
    queue.put(2);
    mark("put 2");
  });
  EXPECT_EQ(events, (Trace{"0 put 1", "10 put 2"}));
}

// CPython: test_queues.py, test_put_cancelled, test_put_with_waiting_getters.
TEST_F(QueueTest, APutHandsOverToAWaitingGetter) {
  run([&] {
    Queue<int> queue;
    auto put = putter(queue, "putter", 1);
    EXPECT_EQ(queue.get(), 1);
    EXPECT_TRUE(put.done());
    auto get = getter(queue, "getter");
    sleep(0s);
    queue.put(2);
    EXPECT_EQ(await(get), 2);
  });
  EXPECT_EQ(events, (Trace{"0 putter put 1", "0 getter got 2"}));
}

// CPython: test_queues.py, test_why_are_putters_waiting.
TEST_F(QueueTest, EachGetWakesAPutter) {
  run([&] {
    Queue<int> queue(2);
    task_group([&](TaskGroup& group) {
      group.create_task([&] {
        sleep(0s);
        for (std::size_t left = queue.qsize(); left != 0; --left) queue.get_nowait();
      });
      for (int i = 0; i < 4; ++i) {
        group.create_task([&, i] {
          queue.put(i);
          mark("put " + std::to_string(i));
        });
      }
    });
  });
  EXPECT_EQ(events, (Trace{"0 put 0", "0 put 1", "0 put 2", "0 put 3"}));
}

// Q2: no reservation for a getter that has been woken, as in asyncio.
TEST_F(QueueTest, ANewcomerMayBeFasterThanAWokenGetterWhichThenWaitsBehindTheOthers) {
  run([&] {
    Queue<int> queue;
    auto first = getter(queue, "first");
    auto second = getter(queue, "second");
    sleep(0s);
    queue.put_nowait(1);
    mark("newcomer got " + std::to_string(queue.get()));
    sleep(0s);
    EXPECT_FALSE(first.done());
    queue.put_nowait(2);
    queue.put_nowait(3);
    await(first);
  });
  EXPECT_EQ(events, (Trace{"0 newcomer got 1", "0 second got 2", "0 first got 3"}));
}

// Q2.
TEST_F(QueueTest, ANewcomerMayBeFasterThanAWokenPutter) {
  run([&] {
    Queue<int> queue(1);
    queue.put(1);
    auto waiting = putter(queue, "waiting", 2);
    sleep(0s);
    EXPECT_EQ(queue.get_nowait(), 1);
    queue.put(3);
    sleep(0s);
    EXPECT_FALSE(waiting.done());
    EXPECT_EQ(queue.get(), 3);
    EXPECT_EQ(queue.get(), 2);
  });
}

TEST_F(QueueTest, WaitingNeedsATaskEvenWhereNothingWouldWait) {
  Queue<int> queue;
  queue.put_nowait(1);
  EXPECT_THROW(queue.put(1), UsageError);
  EXPECT_THROW(queue.get(), UsageError);
  EXPECT_THROW(queue.join(), UsageError);
  EXPECT_THROW(queue.begin(), UsageError);
  loop().call_soon([&] {
    try {
      queue.get();
      ADD_FAILURE();
    } catch (const UsageError& error) {
      EXPECT_EQ(error.reason(), UsageError::Reason::outside_task);
      EXPECT_EQ(std::string(error.what()).rfind("Queue.get() inside the callback", 0), 0U) << error.what();
    }
  });
  run_ready();
  EXPECT_EQ(queue.qsize(), 1U);
}

TEST_F(QueueTest, ItsWaitersBindItToTheirLoop) {
  Queue<int> queue;
  run([&] {
    auto task = getter(queue, "getter");
    sleep(0s);
    queue.put_nowait(1);
    await(task);
  });
  VirtualClock other_clock;
  EventLoop other(LoopOptions{.clock = &other_clock});
  other.run_until_complete([&] {
    try {
      queue.get();
      ADD_FAILURE();
    } catch (const UsageError& error) {
      EXPECT_EQ(error.reason(), UsageError::Reason::wrong_loop);
    }
    queue.put(1);  // does not wait
    EXPECT_EQ(queue.get(), 1);
  });
}

TEST_F(QueueTest, WhoWaitsForItWhenItIsDestroyedLearnsSo) {
  run([&] {
    auto queue = std::make_unique<Queue<int>>(1);
    queue->put(1);
    std::vector<Task<void>> tasks;
    const auto waits = [&](auto call) {
      tasks.push_back(create_task([&queue = *queue, call] {
        try {
          call(queue);
          ADD_FAILURE();
        } catch (const UsageError& error) {
          EXPECT_EQ(error.reason(), UsageError::Reason::destroyed_while_waiting) << error.what();
        }
      }));
    };
    waits([](Queue<int>& full) { full.put(2); });
    waits([](Queue<int>& unfinished) { unfinished.join(); });
    sleep(0s);
    queue.reset();
    for (const auto& task : tasks) await(task);
    tasks.clear();

    queue = std::make_unique<Queue<int>>();
    waits([](Queue<int>& empty) { empty.get(); });
    waits([](Queue<int>& empty) {
      for (const int item : empty) ADD_FAILURE() << item;
    });
    sleep(0s);
    tasks.at(0).cancel();
    queue.reset();
    for (const auto& task : tasks) await(task);
  });
}

}  // namespace
}  // namespace coir::test
