// SPDX-License-Identifier: MIT
// run_virtual(fn, {.seed = n}): which orders a seed explores.
#include "runtime_test.hpp"

#include <set>

namespace coir::test {
namespace {

class SeedTest : public RuntimeTest {
 protected:
  /// Three tasks that each take two steps, and two callbacks, as they ran.
  static std::string order_of(VirtualOptions options) {
    std::string order;
    run_virtual(
        [&] {
          std::vector<Task<void>> tasks;
          for (const char name : {'a', 'b', 'c'}) {
            tasks.push_back(create_task([&order, name] {
              order += name;
              sleep(0s);
              order += name;
            }));
          }
          get_running_loop().call_soon([&] { order += '1'; });
          get_running_loop().call_soon([&] { order += '2'; });
          for (auto& task : tasks) await(task);
        },
        options);
    return order;
  }
};

TEST_F(SeedTest, WithoutOneTheOrderIsAsyncios) { EXPECT_EQ(order_of({}), "abc12abc"); }

TEST_F(SeedTest, TheSameSeedGivesTheSameRun) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(order_of({.seed = seed}), order_of({.seed = seed})) << seed;
}

TEST_F(SeedTest, SeedsReachEveryOrderOfTheReadyTasksAndNoOther) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const std::string order = order_of({.seed = seed});
    orders.insert(order);
    std::string first = order.substr(0, 5);
    EXPECT_LT(first.find('1'), first.find('2')) << "callbacks keep their order";
    EXPECT_EQ(first.substr(3), "12") << "and their places";
    EXPECT_EQ(std::set<char>(first.begin(), first.end()).size(), 5U) << "one step each in a turn: " << order;
  }
  EXPECT_EQ(orders.size(), 36U) << "3! orders of the first steps times 3! of the second";
}

TEST_F(SeedTest, FindsTheOrderThatAProgramWronglyCountsOn) {
  const auto lost_update = [] {
    int balance = 0;
    auto reader = create_task([&] { balance += 10; });
    auto writer = create_task([&] { balance *= 2; });
    await(reader);
    await(writer);
    return balance;
  };
  EXPECT_EQ(run_virtual(lost_update), 20);
  std::set<int> balances;
  for (std::uint64_t seed = 0; seed < 100; ++seed) balances.insert(run_virtual(lost_update, {.seed = seed}));
  EXPECT_EQ(balances, (std::set<int>{10, 20}));
}

}  // namespace
}  // namespace coir::test
