// SPDX-License-Identifier: MIT
// Producers and consumers that are cancelled at random, of all three kinds of queues: no item is lost or made up, and
// nobody waits beside an item or beside room.
#include <coir/lifo_queue.hpp>
#include <coir/priority_queue.hpp>
#include <coir/queue.hpp>

#include "combinators_test.hpp"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <set>

namespace coir::test {
namespace {

template <class Q>
class QueueStressTest : public CombinatorTest {
 protected:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_()) % below; }

  void produce() {
    for (unsigned left = pick(20); left != 0; --left) {
      const int item = next_item_++;
      if (pick(4) == 0) {
        if (ending_of([&] { queue_->put_nowait(item); }) != "returned") continue;
      } else if (pick(4) == 0) {
        if (ending_of([&] { timeout(std::chrono::milliseconds(pick(3)), [&] { queue_->put(item); }); }) != "returned") {
          continue;
        }
      } else {
        queue_->put(item);
      }
      put_.insert(item);
      if (pick(3) == 0) sleep(std::chrono::milliseconds(pick(3)));
    }
  }
  void consume() {
    for (unsigned left = pick(20); left != 0; --left) {
      if (pick(4) == 0) {
        if (!queue_->empty()) take(queue_->get_nowait());
      } else if (pick(4) == 0) {
        ending_of([&] { timeout(std::chrono::milliseconds(pick(3)), [&] { take(queue_->get()); }); });
      } else {
        take(queue_->get());
      }
      if (pick(3) == 0) sleep(std::chrono::milliseconds(pick(3)));
    }
  }
  void take(int item) {
    // Put before it was taken, unless its producer has not run on yet.
    EXPECT_TRUE(got_.insert(item).second) << item << " was got twice";
    queue_->task_done();
  }

  void run_once(std::uint32_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_.seed(seed);
    queue_ = std::make_unique<Q>(static_cast<std::ptrdiff_t>(pick(4)));
    put_.clear();
    got_.clear();
    next_item_ = 0;
    std::vector<Task<void>> producers;
    std::vector<Task<void>> consumers;
    for (unsigned left = 1 + pick(6); left != 0; --left) producers.push_back(loop().create_task([this] { produce(); }));
    for (unsigned left = 1 + pick(6); left != 0; --left) consumers.push_back(loop().create_task([this] { consume(); }));
    const auto anyone = [&]() -> const Task<void>& {
      const auto& some = pick(2) == 0 ? producers : consumers;
      return some[pick(static_cast<unsigned>(some.size()))];
    };
    for (unsigned left = pick(6); left != 0; --left) {
      loop().call_later(std::chrono::milliseconds(pick(10)), [&] { anyone().cancel(); });
    }
    if (pick(4) == 0) loop().call_later(std::chrono::milliseconds(pick(30)), [&] { queue_->shutdown(); });
    run_ready();

    const auto waits = [](const std::vector<Task<void>>& tasks) {
      for (const auto& task : tasks) {
        if (!task.done()) return true;
      }
      return false;
    };
    EXPECT_TRUE(!waits(producers) || queue_->full());
    EXPECT_TRUE(!waits(consumers) || queue_->empty());
    EXPECT_EQ(queue_->qsize() + got_.size(), put_.size());
    while (!queue_->empty()) got_.insert(queue_->get_nowait());
    EXPECT_EQ(got_, put_);
    queue_->shutdown(true);
    run_ready();
    for (const auto* tasks : {&producers, &consumers}) {
      for (const auto& task : *tasks) {
        const std::string ending = ending_of([&] { task.result(); });
        EXPECT_TRUE(ending == "returned" || ending == "CancelledError" ||
                    ending == "coir::QueueShutDown: the queue is shut down")
            << ending;
      }
    }
  }

  std::unique_ptr<Q> queue_;
  std::mt19937 random_;
  std::set<int> put_;
  std::set<int> got_;
  int next_item_ = 0;
};

using Kinds = ::testing::Types<Queue<int>, LifoQueue<int>, PriorityQueue<int>>;
TYPED_TEST_SUITE(QueueStressTest, Kinds);

TYPED_TEST(QueueStressTest, ItemsAreConservedAndNoWakeUpIsLost) {
  const char* given = std::getenv("COIR_TEST_SEED");
  const auto seed =
      given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 0)) : std::random_device()();
  std::cout << "COIR_TEST_SEED=" << seed << '\n';
  for (std::uint32_t i = 0; i < 500 && !this->HasFailure(); ++i) this->run_once(seed + i);
}

}  // namespace
}  // namespace coir::test
