// SPDX-License-Identifier: MIT
// task_done(), join() and shutdown(), of all three kinds of queues, and the loop over a queue that ends with it.
#include <coir/lifo_queue.hpp>
#include <coir/priority_queue.hpp>
#include <coir/queue.hpp>

#include "combinators_test.hpp"

#include <array>
#include <ranges>

namespace coir::test {
namespace {

template <class Q>
class QueueEndTest : public CombinatorTest {
 protected:
  /// No call puts or gets any more.
  static void expect_shut_down(Q& queue) {
    EXPECT_THROW(queue.put(1), QueueShutDown);
    EXPECT_THROW(queue.put_nowait(1), QueueShutDown);
    EXPECT_THROW(queue.get(), QueueShutDown);
    EXPECT_THROW(queue.get_nowait(), QueueShutDown);
  }
  static void expect_all_done(Q& queue) {
    try {
      queue.task_done();
      ADD_FAILURE();
    } catch (const UsageError& error) {
      EXPECT_EQ(error.reason(), UsageError::Reason::released_too_often);
      EXPECT_NE(std::string(error.what()).find("called too many times"), std::string::npos) << error.what();
    }
  }
};

using Kinds = ::testing::Types<Queue<int>, LifoQueue<int>, PriorityQueue<int>>;
struct KindNames {
  template <class Q>
  static std::string GetName(int index) {
    return std::array{"Queue", "LifoQueue", "PriorityQueue"}.at(static_cast<std::size_t>(index));
  }
};
TYPED_TEST_SUITE(QueueEndTest, Kinds, KindNames);

// Q4. CPython: test_queues.py, test_task_done_underflow.
TYPED_TEST(QueueEndTest, TaskDoneMoreOftenThanPutIsAnError) {
  TypeParam queue;
  this->expect_all_done(queue);
  queue.put_nowait(1);
  queue.task_done();  // before it is got: asyncio allows it
  this->expect_all_done(queue);
}

// CPython: test_queues.py, test_task_done.
TYPED_TEST(QueueEndTest, JoinWaitsForTheWorkOnAllItems) {
  this->run([&] {
    TypeParam queue;
    for (int i = 0; i < 100; ++i) queue.put_nowait(i);
    int sum = 0;
    bool running = true;
    task_group([&](TaskGroup& group) {
      for (int i = 0; i < 2; ++i) {
        group.create_task([&] {
          while (running) {
            sum += queue.get();
            sleep(1ms);
            queue.task_done();
          }
        });
      }
      queue.join();
      EXPECT_EQ(sum, 99 * 100 / 2);
      EXPECT_EQ(this->elapsed_ms(), 50);
      running = false;
      for (int i = 0; i < 2; ++i) queue.put_nowait(0);
    });
  });
}

// Q4. CPython: test_queues.py, test_join_empty_queue.
TYPED_TEST(QueueEndTest, JoinOfAnEmptyQueueDoesNotSuspend) {
  this->run([&] {
    TypeParam queue;
    EXPECT_EQ(turns_of([&] {
                queue.join();
                queue.join();
              }),
              0U);
  });
}

TYPED_TEST(QueueEndTest, AllWhoJoinAreWokenEvenIfAnotherItemIsFaster) {
  this->run([&] {
    TypeParam queue;
    queue.put(1);
    auto first = create_task([&] { queue.join(); });
    auto second = create_task([&] { queue.join(); });
    sleep(0s);
    queue.task_done();
    queue.put(2);
    await(first);
    await(second);
    EXPECT_GT(turns_of([&] { ending_of([&] { timeout(1ms, [&] { queue.join(); }); }); }), 0U);
  });
}

// Q5. CPython: test_queues.py, test_shutdown_empty.
TYPED_TEST(QueueEndTest, ShutdownOfAnEmptyQueueWakesItsGetters) {
  this->run([&] {
    TypeParam queue;
    auto getter = create_task([&] { return queue.get(); });
    sleep(0s);
    queue.shutdown();
    EXPECT_EQ(queue.qsize(), 0U);
    queue.join();
    sleep(0s);
    EXPECT_TRUE(getter.done());
    EXPECT_THROW(await(getter), QueueShutDown);
    this->expect_shut_down(queue);
    queue.shutdown();
    queue.shutdown(true);
    this->expect_shut_down(queue);
  });
}

// Q5. CPython: test_queues.py, test_shutdown_nonempty.
TYPED_TEST(QueueEndTest, ShutdownLeavesTheItemsAndWakesThePutters) {
  this->run([&] {
    TypeParam queue(1);
    queue.put_nowait(7);
    auto join = create_task([&] { queue.join(); });
    auto putter = create_task([&] { queue.put(8); });
    sleep(0s);
    EXPECT_FALSE(putter.done());
    queue.shutdown();
    EXPECT_EQ(queue.qsize(), 1U);
    sleep(0s);
    EXPECT_TRUE(putter.done());
    EXPECT_THROW(await(putter), QueueShutDown);
    EXPECT_THROW(queue.put(9), QueueShutDown);
    EXPECT_EQ(queue.get(), 7);
    sleep(0s);
    EXPECT_FALSE(join.done());
    this->expect_shut_down(queue);
    queue.task_done();
    sleep(0s);
    EXPECT_TRUE(join.done());
    await(join);
    this->expect_all_done(queue);
  });
}

// Q5. CPython: test_queues.py, test_shutdown_immediate.
TYPED_TEST(QueueEndTest, AnImmediateShutdownThrowsTheItemsAway) {
  this->run([&] {
    TypeParam queue(1);
    queue.put_nowait(7);
    auto join = create_task([&] { queue.join(); });
    auto putter = create_task([&] { queue.put(8); });
    sleep(0s);
    queue.shutdown(true);
    EXPECT_EQ(queue.qsize(), 0U);
    sleep(0s);
    EXPECT_TRUE(join.done());
    await(join);
    EXPECT_THROW(await(putter), QueueShutDown);
    this->expect_shut_down(queue);
    this->expect_all_done(queue);
  });
}

// Q5. CPython: test_queues.py, test_shutdown_immediate_with_unfinished.
TYPED_TEST(QueueEndTest, AnImmediateShutdownStillWaitsForItemsThatWereTaken) {
  this->run([&] {
    TypeParam queue;
    queue.put_nowait(7);
    queue.put_nowait(7);
    auto join = create_task([&] { queue.join(); });
    EXPECT_EQ(queue.get(), 7);
    queue.shutdown(true);
    EXPECT_EQ(queue.qsize(), 0U);
    sleep(0s);
    EXPECT_FALSE(join.done());
    this->expect_shut_down(queue);
    queue.task_done();
    this->expect_all_done(queue);
    sleep(0s);
    EXPECT_TRUE(join.done());
    await(join);
  });
}

// task_done() ahead of get(): fewer are unfinished than there are items.
TYPED_TEST(QueueEndTest, AnImmediateShutdownCountsNoItemTwice) {
  TypeParam queue;
  queue.put_nowait(1);
  queue.put_nowait(2);
  queue.task_done();
  queue.shutdown(true);
  this->expect_all_done(queue);
}

TYPED_TEST(QueueEndTest, ALoopOverItEndsWithTheShutdown) {
  static_assert(std::ranges::input_range<TypeParam&>);
  this->run([&] {
    TypeParam queue(2);
    auto consumer = create_task([&] {
      for (int& item : queue) this->mark("got " + std::to_string(item++));
      this->mark("end");
    });
    queue.put(1);
    sleep(1ms);
    queue.put(2);
    sleep(1ms);
    queue.put(3);
    queue.shutdown();
    await(consumer);
    for (const int item : queue) ADD_FAILURE() << item;
  });
  EXPECT_EQ(this->events, (Trace{"0 got 1", "1 got 2", "2 got 3", "2 end"}));
}

TYPED_TEST(QueueEndTest, ALoopOverItMayBeCancelledAndLeftEarly) {
  this->run([&] {
    TypeParam queue;
    auto consumer = create_task([&] {
      for (const int item : queue) this->mark("got " + std::to_string(item));
    });
    queue.put(1);
    sleep(0s);
    consumer.cancel();
    EXPECT_EQ(ending_of([&] { await(consumer); }), "CancelledError");
    queue.put(2);
    queue.put(3);
    for (const int item : queue) {
      EXPECT_TRUE(item == 2 || item == 3);
      break;
    }
    EXPECT_EQ(queue.qsize(), 1U);
    for (int i = 0; i < 3; ++i) queue.task_done();  // the loop has not done it
    this->expect_all_done(queue);
  });
  EXPECT_EQ(this->events, (Trace{"0 got 1"}));
}

}  // namespace
}  // namespace coir::test
