// SPDX-License-Identifier: MIT
// NoAwait: which awaits fail inside, and what is as it was behind it.
#include "runtime_test.hpp"

#include <coir/no_await.hpp>

namespace coir::test {
namespace {

class NoAwaitTest : public RuntimeTest {
 protected:
  template <class Fn>
  static void expect_refused(Fn&& fn, const std::string& telling = "the cache is being rebuilt") {
    expect_usage_error(Reason::no_await, telling, std::forward<Fn>(fn));
  }
};

TEST_F(NoAwaitTest, EveryAwaitInsideFailsAndQuotesTheReason) {
  run([&] {
    auto done = loop().create_future<int>();
    done.set_result(1);
    auto pending = loop().create_future<int>();
    auto task = create_task([] {});
    {
      const NoAwait guard("the cache is being rebuilt");
      expect_refused([&] { await(pending); });
      expect_refused([&] { await(done); });
      expect_refused([&] { await(task); });
      expect_refused([&] { sleep(0s); });
      expect_refused([&] { sleep(1s); });
      expect_refused([&] { to_thread([] {}); });
      expect_refused([&] { await([] {}); }, "in Task 'main' created at loop_test.hpp");
      expect_refused([&] { sleep(0s); }, "(NoAwait at no_await_test.cpp:");
    }
    EXPECT_EQ(await(done), 1);
    await(task);
    sleep(1s);
  });
}

TEST_F(NoAwaitTest, EverythingElseWorksInside) {
  run([&] {
    const AnyTask self = current_task();
    Task<void> task;
    {
      const NoAwait guard("reason");
      EXPECT_EQ(current_task(), self);
      EXPECT_EQ(self.get_name(), "main");
      task = create_task([&] { trace("task"); });
      loop().call_soon([&] { trace("callback"); });
      EXPECT_EQ(coir::run([] { return 7; }), 7);
    }
    await(task);
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"task", "callback"}));
}

TEST_F(NoAwaitTest, ScopesNestAndTheInnermostIsQuoted) {
  run([&] {
    const auto outer = std::make_unique<NoAwait>("outer");
    {
      const NoAwait inner("inner");
      expect_refused([] { sleep(0s); }, "inner");
    }
    expect_refused([] { sleep(0s); }, "outer");
  });
}

TEST_F(NoAwaitTest, ATaskStartedEagerlyInsideMayAwait) {
  run([&] {
    Task<void> task;
    {
      const NoAwait guard("outer");
      task = create_task(
          [&] {
            {
              const NoAwait own("own");
              expect_refused([] { sleep(0s); }, "own");
            }
            trace("begins");
            sleep(1ms);
            trace("ends");
          },
          {.eager_start = true});
      expect_refused([] { sleep(0s); }, "outer");
    }
    await(task);
  });
  EXPECT_EQ(events, (Trace{"begins", "ends"}));
}

TEST_F(NoAwaitTest, AnExceptionEndsTheScope) {
  run([&] {
    try {
      const NoAwait guard("reason");
      sleep(0s);
    } catch (const UsageError&) {
      sleep(1ms);
      trace("awaited");
    }
  });
  EXPECT_EQ(events, (Trace{"awaited"}));
}

TEST_F(NoAwaitTest, ACancellationWaitsForTheEndOfTheScope) {
  run([&] {
    auto task = create_task([&] {
      {
        const NoAwait guard("reason");
        current_task().cancel("later");
        expect_refused([] { sleep(0s); }, "reason");
      }
      sleep(0s);
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: later");
  });
}

TEST_F(NoAwaitTest, OutsideOfTasksItDoesNothing) {
  const NoAwait guard("reason");
  run([&] {
    sleep(1ms);
    loop().call_soon([&] {
      const NoAwait in_callback("reason");
      expect_usage_error(Reason::outside_task, "inside the callback", [] { sleep(0s); });
    });
    sleep(0s);
  });
  expect_usage_error(Reason::no_running_loop, "coir::run", [] { sleep(0s); });
}

}  // namespace
}  // namespace coir::test
