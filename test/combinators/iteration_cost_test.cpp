// SPDX-License-Identifier: MIT
// S4: after how many turns the awaiting task goes on. The numbers are CPython 3.13's, measured there.
#include "combinators_test.hpp"

#include <functional>

namespace coir::test {
namespace {

class IterationCostTest : public CombinatorTest {};

int immediate() { return 1; }

// G1, G6.
TEST_F(IterationCostTest, Gather) {
  run([&] {
    EXPECT_EQ(turns_of([] { return await(gather(immediate, immediate, immediate)); }), 3U);
    EXPECT_EQ(turns_of([] { return await(gather()); }), 0U);
    EXPECT_EQ(turns_of([&] { return await(gather(done_future(1), done_future(2))); }), 0U);
    EXPECT_EQ(turns_of([] { return await(gather(gather(immediate, immediate))); }), 4U);
    EXPECT_EQ(turns_of([] { return await(gather(create_task(immediate), gather(immediate))); }), 4U);
    for (const std::size_t n : {1U, 10U, 100U}) {
      const std::vector<std::function<int()>> children(n, immediate);
      EXPECT_EQ(turns_of([&] { return await(gather(children)); }), 3U);
      EXPECT_EQ(turns_of([&] { return await(gather(return_exceptions, children)); }), 3U);
    }
  });
}

// G8.
TEST_F(IterationCostTest, Wait) {
  run([&] {
    EXPECT_EQ(turns_of([] { return wait(std::vector{create_task(immediate)}).done.size(); }), 3U);
    EXPECT_EQ(turns_of([&] { return wait(std::vector{done_future(1)}).done.size(); }), 2U);
    EXPECT_EQ(turns_of([&] { return wait(std::vector{future<int>()}, {.timeout = 0ms}).done.size(); }), 2U);
    EXPECT_EQ(turns_of([&] { return wait(std::vector{future<int>()}, {.timeout = 1s}).done.size(); }), 2U);
  });
}

TEST_F(IterationCostTest, Shield) {
  run([&] {
    EXPECT_EQ(turns_of([] { return await(shield(immediate)); }), 3U);
    EXPECT_EQ(turns_of([&] { return await(shield(done_future(1))); }), 0U);
  });
}

TEST_F(IterationCostTest, AsCompleted) {
  run([&] {
    const auto all = [](auto range, std::optional<Duration> timeout = {}) {
      return turns_of([&] {
        for (Future<int>& next : as_completed(range, timeout)) static_cast<void>(await(next));
      });
    };
    EXPECT_EQ(all(std::vector<std::function<int()>>(3, immediate)), 3U);
    EXPECT_EQ(all(std::vector{done_future(1), done_future(2)}), 2U);
    EXPECT_EQ(all(std::vector<Future<int>>()), 0U);
    EXPECT_EQ(all(std::vector{future<int>()}, 1s), 2U);
  });
}

TEST_F(IterationCostTest, WaitFor) {
  run([&] {
    EXPECT_EQ(turns_of([] { return wait_for(immediate, 1s); }), 0U);
    EXPECT_EQ(turns_of([] { return wait_for(create_task(immediate), 1s); }), 2U);
    EXPECT_EQ(turns_of([&] { return wait_for(done_future(1), 1s); }), 0U);
    EXPECT_EQ(turns_of([&] { return wait_for(done_future(1), 0s); }), 0U);
    EXPECT_EQ(turns_of([] { return wait_for(immediate, 0s); }), 3U);
    for (const Duration delay : {Duration(0s), Duration(1s)}) {
      EXPECT_EQ(turns_of([&] { return wait_for(future<int>(), delay); }), 2U);
      auto running = create_task([] { sleep(10s); });
      sleep(0ms);
      EXPECT_EQ(turns_of([&] { wait_for(running, delay); }), 3U);
    }
  });
}

TEST_F(IterationCostTest, Timeout) {
  run([&] {
    EXPECT_EQ(turns_of([] { timeout(1s, [] {}); }), 0U);
    EXPECT_EQ(turns_of([] { timeout(0s, [] { sleep(0s); }); }), 1U);
    EXPECT_EQ(turns_of([] { timeout(0s, [] { sleep(5s); }); }), 2U);
  });
}

}  // namespace
}  // namespace coir::test
