// SPDX-License-Identifier: MIT
// Random trees of combinators, cancelled at random. Whatever happens, everything ends and nothing leaks.
#include "combinators_test.hpp"

#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>

namespace coir::test {
namespace {

class StressTest : public CombinatorTest {
 protected:
  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  Duration delay() { return std::chrono::milliseconds(pick(6)); }
  bool one_in(int n) { return pick(n) == 0; }

  /// Begun and ended bodies, as a tree runs.
  struct Running {
    explicit Running(int& counter) : count(counter) { ++count; }
    ~Running() { --count; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    int& count;
  };

  int leaf() {
    switch (pick(6)) {
      case 0:
        sleep(delay());
        throw Boom("leaf");
      case 1:
        try {
          sleep(delay());
        } catch (const CancelledError&) {  // cleans up
          sleep(delay());
          throw;
        }
        return 1;
      case 2:
        try {
          sleep(delay());
        } catch (const CancelledError&) {  // swallows
        }
        return 1;
      case 3:
        victims_.push_back(current_task());
        sleep(delay());
        return 1;
      case 4:
        return 1;
      default:
        sleep(delay());
        return 1;
    }
  }

  int node(int depth) {
    const Running running(running_);
    if (one_in(8)) current_task().cancel();
    if (depth == 0) return leaf();
    const auto child = [this, depth] { return node(depth - 1); };
    const std::vector<std::function<int()>> children(static_cast<std::size_t>(1 + pick(3)), child);
    switch (pick(10)) {
      case 0: {
        int sum = 0;
        for (const int value : await(gather(children))) sum += value;
        return sum;
      }
      case 1: {
        int sum = 0;
        for (const auto& outcome : await(gather(return_exceptions, children))) sum += outcome ? outcome.value() : 0;
        return sum;
      }
      case 2:
        return wait_for(child, delay());
      case 3:
        return wait_for(create_task(child), delay());
      case 4:
        return await(shield(child));
      case 5:
        return timeout(delay(), [&] { return std::get<0>(await(gather(child, child))); });
      case 6: {
        int sum = 0;
        for (Future<int>& next : as_completed(children, delay())) sum += await(next);
        return sum;
      }
      case 7: {
        std::vector<Task<int>> tasks;
        for (const auto& each : children) tasks.push_back(create_task(each));
        const auto [done, pending] =
            wait(tasks, {.timeout = delay(), .return_when = static_cast<ReturnWhen>(pick(3))});
        for (const auto& late : pending) late.cancel();
        return static_cast<int>(done.size());
      }
      case 8: {
        int sum = 0;
        task_group([&](TaskGroup& group) {
          for (const auto& each : children) group.create_task([&sum, each] { sum += each(); });
          if (one_in(3)) sleep(delay());
          if (one_in(4)) group.cancel();
          if (one_in(8)) throw Boom("block");
        });
        return sum;
      }
      default:
        static_cast<void>(gather(children));  // dropped
        return await(gather(shield(child), child)) == std::tuple(1, 1) ? 1 : 0;
    }
  }

  void run_tree(std::uint32_t seed) {
    random_.seed(seed);
    victims_.clear();
    for (int i = pick(20); i > 0; --i) {
      loop().call_later(delay(), [this] {
        if (!victims_.empty()) victims_[static_cast<std::size_t>(pick(static_cast<int>(victims_.size())))].cancel();
      });
    }
    run([&] {
      auto root = create_task([this] { return node(4); });
      loop().call_later(delay() * 3, [this, root] {
        if (one_in(2)) root.cancel();
      });
      wait(std::vector{root});
      static_cast<void>(ending_of([&] { return await(root); }));
    });
    run_ready();
    victims_.clear();
    EXPECT_EQ(running_, 0) << "seed " << seed;
    EXPECT_EQ(loop().stats().tasks, 0U) << "seed " << seed;
    EXPECT_EQ(loop().stats().fibers.leased, 0U) << "seed " << seed;
    EXPECT_EQ(loop().stats().timers, 0U) << "seed " << seed;
  }

  std::mt19937 random_;
  std::vector<AnyTask> victims_;
  int running_ = 0;
};

TEST_F(StressTest, RandomTreesEndAndLeakNothing) {
  const char* given = std::getenv("COIR_TEST_SEED");
  const auto seed = given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 0)) : std::random_device()();
  std::cout << "COIR_TEST_SEED=" << seed << '\n';
  for (std::uint32_t i = 0; i < 300 && !HasFailure(); ++i) run_tree(seed + i);
  expected_reports = reports;  // failures behind dropped gathers and shields report themselves, rightly
  for (const std::string& report : reports) {
    EXPECT_NE(report.find("exception was never retrieved"), std::string::npos) << report;
  }
}

// The same seed gives the same run: nothing depends on addresses or on real time.
TEST_F(StressTest, ARunIsDeterministic) {
  std::vector<std::uint64_t> turns;
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t before = loop().turns();
    for (std::uint32_t seed = 0; seed < 20; ++seed) run_tree(seed);
    turns.push_back(loop().turns() - before);
  }
  EXPECT_EQ(turns[0], turns[1]);
  expected_reports = reports;
}

}  // namespace
}  // namespace coir::test
