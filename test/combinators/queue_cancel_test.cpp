// SPDX-License-Identifier: MIT
// Q3: a cancelled waiter takes nothing with it.
#include <coir/queue.hpp>

#include "combinators_test.hpp"

#include <set>

namespace coir::test {
namespace {

class QueueCancelTest : public CombinatorTest {
 protected:
  static auto get(Queue<int>& queue) {
    return [&queue] { return queue.get(); };
  }
  static auto put(Queue<int>& queue, int item) {
    return [&queue, item] { queue.put(item); };
  }
};

// CPython: test_queues.py, test_get_cancelled_race.
TEST_F(QueueCancelTest, ACancelledGetterIsPassedOver) {
  run([] {
    Queue<int> queue;
    auto first = create_task(get(queue));
    auto second = create_task(get(queue));
    sleep(0s);
    first.cancel();
    sleep(0s);
    EXPECT_TRUE(first.cancelled());
    queue.put(1);
    sleep(0s);
    EXPECT_EQ(await(second), 1);
  });
}

// CPython: test_queues.py, test_get_cancel_drop_one_pending_reader.
TEST_F(QueueCancelTest, AnItemThatACancelledGetterWasWokenForStays) {
  run([] {
    Queue<int> queue;
    auto reader = create_task(get(queue));
    sleep(0s);
    queue.put_nowait(1);
    queue.put_nowait(2);
    reader.cancel();
    EXPECT_EQ(ending_of([&] { await(reader); }), "CancelledError");
    EXPECT_EQ(queue.get(), 1);
  });
}

// CPython: test_queues.py, test_get_cancel_drop_many_pending_readers.
TEST_F(QueueCancelTest, AnItemThatACancelledGetterWasWokenForGoesToTheNext) {
  run([] {
    Queue<int> queue;
    auto first = create_task(get(queue));
    auto second = create_task(get(queue));
    auto third = create_task(get(queue));
    sleep(0s);
    queue.put_nowait(1);
    queue.put_nowait(2);
    first.cancel();
    EXPECT_EQ(ending_of([&] { await(first); }), "CancelledError");
    await(third);
    EXPECT_EQ((std::set{second.result(), third.result()}), (std::set{1, 2}));
  });
}

TEST_F(QueueCancelTest, AGetterThatIsCancelledAfterAnotherTookItsItemWakesNobody) {
  run([&] {
    Queue<int> queue;
    auto first = create_task(get(queue));
    auto second = create_task(get(queue));
    sleep(0s);
    queue.put_nowait(1);
    EXPECT_EQ(queue.get_nowait(), 1);
    first.cancel();
    sleep(0s);
    EXPECT_TRUE(first.cancelled());
    EXPECT_FALSE(second.waiting_on().done());
    queue.put_nowait(2);
    EXPECT_EQ(await(second), 2);
  });
}

// CPython: test_queues.py, test_put_cancel_drop.
TEST_F(QueueCancelTest, ACancelledPutterHasPutNothing) {
  run([] {
    Queue<int> queue(1);
    queue.put_nowait(1);
    auto writer = create_task(put(queue, 2));
    sleep(0s);
    EXPECT_EQ(queue.get_nowait(), 1);
    writer.cancel();
    EXPECT_EQ(ending_of([&] { await(writer); }), "CancelledError");
    EXPECT_EQ(queue.qsize(), 0U);
    queue.put(2);
    EXPECT_EQ(queue.get_nowait(), 2);
  });
}

// CPython: test_queues.py, test_put_cancelled_race.
TEST_F(QueueCancelTest, ACancelledPutterIsPassedOver) {
  run([] {
    Queue<int> queue(1);
    auto a = create_task(put(queue, 1));
    auto b = create_task(put(queue, 2));
    auto c = create_task(put(queue, 3));
    sleep(0s);
    EXPECT_TRUE(a.done());
    EXPECT_FALSE(b.done());
    c.cancel();
    sleep(0s);
    EXPECT_TRUE(c.cancelled());
    EXPECT_EQ(queue.get_nowait(), 1);
    sleep(0s);
    EXPECT_EQ(queue.get_nowait(), 2);
    await(b);
  });
}

TEST_F(QueueCancelTest, RoomThatACancelledPutterWasWokenForGoesToTheNext) {
  run([] {
    Queue<int> queue(1);
    queue.put_nowait(1);
    auto first = create_task(put(queue, 2));
    auto second = create_task(put(queue, 3));
    sleep(0s);
    EXPECT_EQ(queue.get_nowait(), 1);
    first.cancel();
    await(second);
    EXPECT_TRUE(first.cancelled());
    EXPECT_EQ(queue.get_nowait(), 3);
  });
}

// CPython: test_queues.py, test_cancelled_getters_not_being_held_in_self_getters.
TEST_F(QueueCancelTest, AGetterThatTimedOutIsForgotten) {
  run([&] {
    Queue<int> queue(5);
    EXPECT_EQ(ending_of([&] { return wait_for(get(queue), 100ms); }), "TimeoutError");
    queue.put_nowait(1);  // for nobody
    EXPECT_EQ(queue.get_nowait(), 1);
    EXPECT_EQ(turns_of([] { sleep(0s); }), 1U);
  });
}

// CPython: test_queues.py, test_cancelled_puts_not_being_held_in_self_putters,
// test_cancelled_put_silence_value_error_exception.
TEST_F(QueueCancelTest, ACancelledPutterIsForgottenWokenOrNot) {
  run([] {
    for (const bool woken : {false, true}) {
      Queue<int> queue(1);
      queue.put_nowait(1);
      auto task = create_task(put(queue, 2));
      sleep(0s);
      if (woken) queue.get_nowait();
      task.cancel();
      EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
      if (!woken) queue.get_nowait();
      EXPECT_TRUE(queue.empty());
      queue.put(3);
      EXPECT_EQ(queue.get(), 3);
    }
  });
}

TEST_F(QueueCancelTest, ACancelledJoinLeavesTheOthersWaiting) {
  run([] {
    Queue<int> queue;
    queue.put(1);
    auto first = create_task([&] { queue.join(); });
    auto second = create_task([&] { queue.join(); });
    sleep(0s);
    first.cancel();
    EXPECT_EQ(ending_of([&] { await(first); }), "CancelledError");
    EXPECT_FALSE(second.done());
    queue.task_done();
    await(second);
  });
}

// Wherever one cancel() lands in this script, nobody is left waiting beside an item or beside room.
TEST_F(QueueCancelTest, OneCancellationAnywhereLosesNeitherItemNorWakeUp) {
  for (int victim = 0; victim < 6; ++victim) {
    for (int turn = 0; turn < 6; ++turn) {
      SCOPED_TRACE("task " + std::to_string(victim) + " in turn " + std::to_string(turn));
      Queue<int> queue(1);
      int put_in = 0;
      int got = 0;
      run([&] {
        std::vector<Task<void>> tasks;
        for (int i = 0; i < 3; ++i) {
          tasks.push_back(create_task([&] {
            queue.put(1);
            ++put_in;
          }));
        }
        for (int i = 0; i < 3; ++i) {
          tasks.push_back(create_task([&] {
            queue.get();
            ++got;
          }));
        }
        for (int i = 0; i < turn; ++i) sleep(0s);
        tasks[static_cast<std::size_t>(victim)].cancel();
        for (int i = 0; i < 10; ++i) sleep(0s);
        EXPECT_EQ(static_cast<std::size_t>(put_in - got), queue.qsize());
        const auto waiting = [&](int from) {
          for (int i = from; i < from + 3; ++i) {
            if (!tasks[static_cast<std::size_t>(i)].done()) return true;
          }
          return false;
        };
        EXPECT_TRUE(!waiting(0) || queue.full());
        EXPECT_TRUE(!waiting(3) || queue.empty());
        for (const auto& task : tasks) task.cancel();
        sleep(0s);
      });
    }
  }
}

}  // namespace
}  // namespace coir::test
