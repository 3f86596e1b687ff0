// SPDX-License-Identifier: MIT
// PriorityQueue and LifoQueue: what sets them apart from Queue.
#include <coir/lifo_queue.hpp>
#include <coir/priority_queue.hpp>

#include "combinators_test.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <tuple>

namespace coir::test {
namespace {

class PriorityQueueTest : public CombinatorTest {};

template <class Q>
std::vector<typename Q::value_type> drained(Q& queue) {
  std::vector<typename Q::value_type> items;
  while (!queue.empty()) items.push_back(queue.get_nowait());
  return items;
}

// CPython: test_queues.py, PriorityQueueTests.test_order.
TEST_F(PriorityQueueTest, GivesTheLeastFirst) {
  run([] {
    PriorityQueue<int> queue;
    for (const int item : {1, 3, 2}) queue.put(item);
    EXPECT_EQ(drained(queue), (std::vector{1, 2, 3}));
  });
}

// CPython: test_queues.py, LifoQueueTests.test_order.
TEST_F(PriorityQueueTest, ALifoQueueGivesTheYoungestFirst) {
  run([] {
    LifoQueue<int> queue;
    for (const int item : {1, 3, 2}) queue.put(item);
    EXPECT_EQ(drained(queue), (std::vector{2, 3, 1}));
  });
}

TEST_F(PriorityQueueTest, SortsAnyMixOfPutsAndGets) {
  std::mt19937 engine(7);
  const auto random = [&] { return static_cast<unsigned>(engine()); };
  for (int round = 0; round < 300; ++round) {
    PriorityQueue<unsigned> queue;
    std::vector<unsigned> model;
    for (unsigned steps = random() % 80; steps != 0; --steps) {
      if (random() % 3 != 0 || model.empty()) {
        const unsigned item = random() % 20;
        queue.put_nowait(item);
        model.push_back(item);
      } else {
        const auto least = std::min_element(model.begin(), model.end());
        ASSERT_EQ(queue.get_nowait(), *least);
        model.erase(least);
      }
    }
    std::sort(model.begin(), model.end());
    ASSERT_EQ(drained(queue), model);
  }
}

TEST_F(PriorityQueueTest, TakesAComparison) {
  PriorityQueue<int, std::greater<int>> greatest_first;
  for (const int item : {1, 3, 2}) greatest_first.put_nowait(item);
  EXPECT_EQ(drained(greatest_first), (std::vector{3, 2, 1}));

  const auto by_distance = [from = 10](int a, int b) { return std::abs(a - from) < std::abs(b - from); };
  PriorityQueue<int, decltype(by_distance)> nearest_first(0, by_distance);
  for (const int item : {1, 30, 12}) nearest_first.put_nowait(item);
  EXPECT_EQ(drained(nearest_first), (std::vector{12, 1, 30}));
}

// What heapq gives for the same calls: python3 -c 'import heapq; ...', items (i % 3, i) compared by their first.
TEST_F(PriorityQueueTest, EqualItemsLeaveInTheOrderOfHeapq) {
  struct ByFirst {
    bool operator()(const std::pair<int, int>& a, const std::pair<int, int>& b) const { return a.first < b.first; }
  };
  PriorityQueue<std::pair<int, int>, ByFirst> queue;
  for (int i = 0; i < 12; ++i) queue.put_nowait({i % 3, i});
  std::vector<int> order;
  for (const auto& [priority, i] : drained(queue)) order.push_back(i);
  EXPECT_EQ(order, (std::vector<int>{0, 6, 3, 9, 4, 10, 1, 7, 2, 5, 8, 11}));
}

TEST_F(PriorityQueueTest, ARunningNumberMakesEqualItemsFirstInFirstOut) {
  PriorityQueue<std::tuple<int, int, std::string>> queue;
  int number = 0;
  for (const char* item : {"b", "c", "a"}) queue.put_nowait({1, ++number, item});
  queue.put_nowait({0, ++number, "urgent"});
  std::string order;
  for (const auto& item : drained(queue)) order += std::get<2>(item) + ' ';
  EXPECT_EQ(order, "urgent b c a ");
}

TEST_F(PriorityQueueTest, TakesMoveOnlyItems) {
  const auto by_value = [](const std::unique_ptr<int>& a, const std::unique_ptr<int>& b) { return *a < *b; };
  PriorityQueue<std::unique_ptr<int>, decltype(by_value)> queue(0, by_value);
  for (const int item : {4, 1, 3, 2}) queue.put_nowait(std::make_unique<int>(item));
  std::vector<int> values;
  for (const auto& item : drained(queue)) values.push_back(*item);
  EXPECT_EQ(values, (std::vector{1, 2, 3, 4}));

  LifoQueue<std::unique_ptr<int>> lifo;
  lifo.put_nowait(std::make_unique<int>(1));
  EXPECT_EQ(*lifo.get_nowait(), 1);
}

/// Throws at the comparison that brings `*left` to zero.
struct FragileLess {
  int* left;
  bool operator()(int a, int b) const {
    if (--*left == 0) throw Boom("compare");
    return a < b;
  }
};

TEST_F(PriorityQueueTest, AComparisonThatThrowsChangesNothing) {
  int throws = 0;
  for (int when = 1; when < 8; ++when) {
    int left = 1000;
    PriorityQueue<int, FragileLess> queue(0, FragileLess{&left});
    for (const int item : {9, 8, 7, 6, 5, 4, 3, 2}) queue.put_nowait(item);
    left = when;
    const bool put_threw = ending_of([&] { queue.put_nowait(1); }) != "returned";
    left = when;
    const bool get_threw = !put_threw || ending_of([&] { queue.get_nowait(); }) != "returned";
    left = 1000;
    throws += put_threw + (put_threw && get_threw);
    std::vector<int> expected{2, 3, 4, 5, 6, 7, 8, 9};
    if (!put_threw) expected.insert(expected.begin(), 1);
    if (put_threw && !get_threw) expected.erase(expected.begin());
    EXPECT_EQ(drained(queue), expected) << when;
  }
  EXPECT_GT(throws, 4);
}

TEST_F(PriorityQueueTest, AGetterWhoseComparisonThrowsLeavesTheItemToTheNext) {
  run([&] {
    int left = 1000;
    PriorityQueue<int, FragileLess> queue(0, FragileLess{&left});
    const auto get = [&] { return queue.get(); };
    auto first = create_task(get);
    auto second = create_task(get);
    sleep(0s);
    for (const int item : {3, 2, 1}) queue.put_nowait(item);
    left = 1;
    mark(ending_of([&] { return await(first); }));
    EXPECT_EQ(await(second), 1);
    EXPECT_EQ(queue.get(), 2);
  });
  EXPECT_EQ(events, (Trace{"0 Boom: compare"}));
}

}  // namespace
}  // namespace coir::test
