// SPDX-License-Identifier: MIT
// What becomes of the items of a queue: none is copied needlessly, kept too long, or lost when a T throws.
#include <coir/queue.hpp>

#include "combinators_test.hpp"

#include <functional>
#include <memory>

namespace coir::test {
namespace {

class QueueItemsTest : public CombinatorTest {};

TEST_F(QueueItemsTest, MayBeMoveOnly) {
  run([&] {
    Queue<std::unique_ptr<int>> queue(1);
    auto consumer = create_task([&] {
      for (auto& item : queue) mark(std::to_string(*std::move(item)));
    });
    for (int i = 0; i < 3; ++i) queue.put(std::make_unique<int>(i));
    queue.shutdown();
    await(consumer);
  });
  EXPECT_EQ(events, (Trace{"0 0", "0 1", "0 2"}));
}

TEST_F(QueueItemsTest, AreNotCopiedUnlessPutByLvalue) {
  run([] {
    int copies = 0;
    Queue<Counted> queue;
    queue.put(Counted(copies));
    queue.put_nowait(Counted(copies));
    EXPECT_EQ(copies, 0);
    const Counted kept(copies);
    queue.put(kept);
    queue.put_nowait(kept);
    EXPECT_EQ(copies, 2);
    for (int i = 0; i < 100; ++i) queue.put(Counted(copies));  // grows
    for (int i = 0; i < 104; ++i) queue.get();
    EXPECT_EQ(copies, 2);
  });
}

TEST_F(QueueItemsTest, StayWithWhoCouldNotPutThem) {
  run([] {
    Queue<std::unique_ptr<int>> queue(1);
    queue.put(std::make_unique<int>(0));
    auto item = std::make_unique<int>(1);
    EXPECT_THROW(queue.put_nowait(std::move(item)), QueueFull);
    EXPECT_NE(item, nullptr);  // NOLINT: that is the promise
    EXPECT_EQ(ending_of([&] { timeout(1ms, [&] { queue.put(std::move(item)); }); }), "TimeoutError");
    EXPECT_NE(item, nullptr);  // NOLINT
    queue.shutdown();
    EXPECT_THROW(queue.put(std::move(item)), QueueShutDown);
    EXPECT_NE(item, nullptr);  // NOLINT
  });
}

TEST_F(QueueItemsTest, AreNotKeptBehindTheirGet) {
  run([] {
    Queue<std::shared_ptr<int>> queue;
    auto item = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = item;
    queue.put(std::move(item));
    queue.get();
    EXPECT_TRUE(watch.expired());

    item = std::make_shared<int>(2);
    const std::weak_ptr<int> iterated = item;
    queue.put(std::move(item));
    auto consumer = create_task([&] {
      for (const auto& each : queue) EXPECT_EQ(*each, 2);
    });
    sleep(0s);
    EXPECT_TRUE(iterated.expired()) << "held while the loop waits for the next one";
    queue.shutdown();
    await(consumer);
  });
}

TEST_F(QueueItemsTest, AreDestroyedByAnImmediateShutdownWhichTheyMaySurvive) {
  struct Reentrant {
    explicit Reentrant(std::function<void()> fn) : on_destruction(std::move(fn)) {}
    Reentrant(Reentrant&& other) noexcept : on_destruction(std::exchange(other.on_destruction, {})) {}
    Reentrant& operator=(Reentrant&&) = delete;
    ~Reentrant() {
      if (on_destruction) on_destruction();
    }
    std::function<void()> on_destruction;
  };
  Queue<Reentrant> queue;
  int destroyed = 0;
  for (int i = 0; i < 3; ++i) {
    queue.put_nowait(Reentrant([&] {
      ++destroyed;
      EXPECT_TRUE(queue.empty());
      EXPECT_THROW(queue.get_nowait(), QueueShutDown);
      queue.shutdown(true);
    }));
  }
  queue.shutdown(true);
  EXPECT_EQ(destroyed, 3);
}

/// A move of it throws if `*armed`, once.
struct Fragile {
  Fragile(int v, bool& arm) : value(v), armed(&arm) {}
  Fragile(Fragile&& other) : value(other.value), armed(other.armed) {  // NOLINT: not noexcept on purpose
    if (std::exchange(*armed, false)) throw Boom("move");
  }
  Fragile(const Fragile& other) : value(other.value), armed(other.armed) {}
  Fragile& operator=(const Fragile&) = delete;
  ~Fragile() = default;
  int value;
  bool* armed;
};

TEST_F(QueueItemsTest, StayInTheQueueIfTheirMoveOutThrows) {
  run([&] {
    bool armed = false;
    Queue<Fragile> queue;
    for (int i = 1; i <= 3; ++i) queue.put(Fragile(i, armed));
    const auto fails = [&](auto get) {
      armed = true;
      EXPECT_EQ(ending_of(get), "Boom: move");
      EXPECT_FALSE(armed);
    };
    fails([&] { queue.get(); });
    EXPECT_EQ(queue.qsize(), 3U);
    fails([&] { queue.get_nowait(); });
    fails([&] { queue.begin(); });
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(queue.get().value, i);
  });
}

TEST_F(QueueItemsTest, GoToTheNextGetterIfTheirMoveOutThrows) {
  run([&] {
    bool armed = false;
    Queue<Fragile> queue;
    const auto get = [&] { return queue.get().value; };
    auto first = create_task(get);
    auto second = create_task(get);
    sleep(0s);
    queue.put_nowait(Fragile(1, armed));
    armed = true;
    EXPECT_EQ(ending_of([&] { await(first); }), "Boom: move");
    EXPECT_EQ(await(second), 1);
  });
}

TEST_F(QueueItemsTest, ThatCannotBePutLeaveTheRoomToTheNextPutter) {
  run([&] {
    bool armed = false;
    Queue<Fragile> queue(1);
    queue.put(Fragile(1, armed));
    auto first = create_task([&] { queue.put(Fragile(2, armed)); });
    auto second = create_task([&] { queue.put(Fragile(3, armed)); });
    sleep(0s);
    EXPECT_EQ(queue.get_nowait().value, 1);
    armed = true;
    EXPECT_EQ(ending_of([&] { await(first); }), "Boom: move");
    await(second);
    EXPECT_EQ(queue.get().value, 3);
  });
}

}  // namespace
}  // namespace coir::test
