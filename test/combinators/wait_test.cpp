// SPDX-License-Identifier: MIT
#include "combinators_test.hpp"

#include <array>
#include <cstddef>
#include <iterator>
#include <memory>
#include <ranges>
#include <type_traits>

namespace coir::test {
namespace {

class WaitTest : public CombinatorTest {
 protected:
  Task<void> sleeper(Duration delay) {
    return loop().create_task([delay] { sleep(delay); });
  }
  Task<void> failing(Duration delay) {
    return loop().create_task([delay] {
      if (delay > 0ms) sleep(delay);
      throw Boom("err");
    });
  }
};

using Voids = std::vector<Task<void>>;

static_assert(std::is_same_v<decltype(wait(std::declval<Voids&>())), WaitResult<Task<void>>>);
static_assert(std::is_same_v<decltype(wait(std::declval<std::array<Future<int>, 2>>())), WaitResult<Future<int>>>);

// CPython: test_tasks.py, test_wait.
TEST_F(WaitTest, WaitsForAll) {
  run([&] {
    auto a = sleeper(100ms);
    auto b = sleeper(150ms);
    for (int i = 0; i < 2; ++i) {  // the second time they are done already
      const auto [done, pending] = wait(std::vector{b, a});
      EXPECT_EQ(done, (Voids{b, a}));  // in argument order
      EXPECT_EQ(pending, Voids{});
      EXPECT_EQ(elapsed_ms(), 150);
    }
  });
}

// CPython: test_tasks.py, test_wait_duplicate_coroutines.
TEST_F(WaitTest, AFutureGivenTwiceComesOnce) {
  run([&] {
    auto c = create_task([] { return std::string("test"); });
    auto d = create_task([] { return std::string("spam"); });
    const auto [done, pending] = wait(std::vector{c, c, d, c});
    EXPECT_EQ(done, (std::vector{c, d}));
    EXPECT_TRUE(pending.empty());
  });
}

// CPython: test_tasks.py, test_wait_errors, test_wait_invalid_args.
TEST_F(WaitTest, OfNothingIsRefused) {
  run([&] { EXPECT_THROW(wait(Voids{}), std::invalid_argument); });
}

TEST_F(WaitTest, NeedsATask) {
  const auto one = future<int>();
  EXPECT_THROW(wait(std::vector{one}), UsageError);
  loop().call_soon([&] { EXPECT_THROW(wait(std::vector{one}), UsageError); });
  run_ready();
}

TEST_F(WaitTest, RefusesFuturesOfAnotherLoop) {
  EventLoop other(LoopOptions{.clock = &clock});
  const auto there = other.create_future<int>();
  run([&] {
    const auto here = future<int>();
    EXPECT_THROW(wait(std::vector{here, there}), UsageError);
    EXPECT_EQ(here.state().references(), 1U);
  });
}

// CPython: test_tasks.py, test_wait_first_completed.
TEST_F(WaitTest, FirstCompleted) {
  run([&] {
    auto a = sleeper(10s);
    auto b = sleeper(100ms);
    const auto [done, pending] = wait(std::vector{b, a}, {.return_when = ReturnWhen::first_completed});
    EXPECT_EQ(done, Voids{b});
    EXPECT_EQ(pending, Voids{a});
    EXPECT_FALSE(a.done());
    EXPECT_EQ(elapsed_ms(), 100);
    wait(pending);
  });
}

// G8. CPython: test_tasks.py, test_wait_really_done.
TEST_F(WaitTest, FirstCompletedMayReturnTwo) {
  run([&] {
    auto a = create_task([] { sleep(0ms); });
    auto b = create_task([] {
      sleep(0ms);
      sleep(0ms);
    });
    const auto [done, pending] = wait(std::vector{b, a}, {.return_when = ReturnWhen::first_completed});
    EXPECT_EQ(done, (Voids{b, a}));
    EXPECT_TRUE(pending.empty());
  });
}

// CPython: test_tasks.py, test_wait_first_exception.
TEST_F(WaitTest, FirstExceptionOfOneThatFailsAtOnce) {
  run([&] {
    auto a = sleeper(10s);
    auto b = failing(0ms);
    const auto [done, pending] = wait(std::vector{b, a}, {.return_when = ReturnWhen::first_exception});
    EXPECT_EQ(done, Voids{b});
    EXPECT_EQ(pending, Voids{a});
    EXPECT_EQ(elapsed_ms(), 0);
    wait(pending);
  });
}

// CPython: test_tasks.py, test_wait_first_exception_in_wait.
TEST_F(WaitTest, FirstExceptionOfOneThatFailsMeanwhile) {
  run([&] {
    auto a = sleeper(10s);
    auto b = failing(10ms);
    const auto [done, pending] = wait(std::vector{b, a}, {.return_when = ReturnWhen::first_exception});
    EXPECT_EQ(done, Voids{b});
    EXPECT_EQ(pending, Voids{a});
    EXPECT_EQ(elapsed_ms(), 10);
    wait(pending);
  });
}

// G8.
TEST_F(WaitTest, FirstExceptionDoesNotStopAtACancelledOne) {
  run([&] {
    auto a = sleeper(20ms);
    auto b = sleeper(10s);
    auto c = failing(30ms);
    auto d = sleeper(40ms);
    loop().call_later(10ms, [&] { b.cancel(); });
    const auto [done, pending] = wait(std::vector{a, b, c, d}, {.return_when = ReturnWhen::first_exception});
    EXPECT_EQ(done, (Voids{a, b, c}));
    EXPECT_EQ(pending, Voids{d});
    EXPECT_EQ(elapsed_ms(), 30);
    wait(pending);
  });
}

TEST_F(WaitTest, FirstExceptionWithoutAnyWaitsForAll) {
  run([&] {
    auto a = sleeper(10ms);
    auto b = sleeper(20ms);
    const auto [done, pending] = wait(std::vector{a, b}, {.return_when = ReturnWhen::first_exception});
    EXPECT_EQ(done.size(), 2U);
    EXPECT_EQ(elapsed_ms(), 20);
  });
}

// CPython looks at the failure that ends the wait early, not at the one that is the last anyway.
TEST_F(WaitTest, FirstExceptionRetrievesTheFailureThatEndsItEarly) {
  run([&] {
    const auto pending = future<void>();
    Future<void> failure = failing(0ms);
    wait(std::vector{failure, pending}, {.return_when = ReturnWhen::first_exception});
    EXPECT_TRUE(failure.exception_retrieved());
    failure = failing(0ms);
    wait(std::vector{failure}, {.return_when = ReturnWhen::first_exception});
    EXPECT_FALSE(failure.exception_retrieved());
  });
  expect_reported({"Task exception was never retrieved: coir::test::Boom: err"});
}

TEST_F(WaitTest, FailuresThatNobodyLooksAtAreReported) {
  run([&] { wait(Voids{failing(0ms), sleeper(1ms)}); });
  expect_reported({"Task exception was never retrieved: coir::test::Boom: err"});
}

// CPython: test_tasks.py, test_wait_with_exception.
TEST_F(WaitTest, AllCompletedDoesNotThrowFailures) {
  run([&] {
    auto a = sleeper(100ms);
    auto b = failing(150ms);
    for (int i = 0; i < 2; ++i) {
      const auto [done, pending] = wait(std::vector{b, a});
      EXPECT_EQ(done, (Voids{b, a}));
      EXPECT_TRUE(pending.empty());
      EXPECT_NE(done[0].exception(), nullptr);
      EXPECT_EQ(done[1].exception(), nullptr);
      EXPECT_EQ(elapsed_ms(), 150);
    }
  });
}

// G8. CPython: test_tasks.py, test_wait_with_timeout.
TEST_F(WaitTest, ATimeoutIsNoErrorAndCancelsNothing) {
  run([&] {
    auto a = sleeper(100ms);
    auto b = sleeper(150ms);
    const auto [done, pending] = wait(std::vector{b, a}, {.timeout = 110ms});
    EXPECT_EQ(done, Voids{a});
    EXPECT_EQ(pending, Voids{b});
    EXPECT_EQ(elapsed_ms(), 110);
    EXPECT_EQ(b.cancelling(), 0);
    wait(pending);
    EXPECT_FALSE(b.cancelled());
  });
}

// CPython: test_tasks.py, test_wait_concurrent_complete.
TEST_F(WaitTest, WhatCompletesInTheTurnOfTheTimeoutIsDone) {
  run([&] {
    auto a = sleeper(100ms);
    auto b = sleeper(150ms);
    sleep(0ms);  // so that a's timer is older than the deadline
    const auto [done, pending] = wait(std::vector{b, a}, {.timeout = 100ms});
    EXPECT_EQ(done, Voids{a});
    EXPECT_EQ(pending, Voids{b});
    EXPECT_EQ(elapsed_ms(), 100);
    wait(pending);
  });
}

// G8.
TEST_F(WaitTest, ATimeoutOfZeroStillSuspendsTwoTurns) {
  run([&] {
    const auto never = future<int>();
    for (const Duration timeout : {Duration(0ms), Duration(-1s)}) {
      EXPECT_EQ(turns_of([&] {
                  const auto [done, pending] = wait(std::vector{never}, {.timeout = timeout});
                  EXPECT_EQ(pending.size(), 1U);
                  return 0;
                }),
                2U);
    }
    EXPECT_EQ(elapsed_ms(), 0);
  });
}

TEST_F(WaitTest, ATimeoutThatIsNotReachedLeavesNoTimer) {
  run([&] {
    wait(std::vector{sleeper(1ms)}, {.timeout = 1h});
    EXPECT_EQ(loop().stats().timers, 0U);
  });
  EXPECT_EQ(elapsed_ms(), 1);
}

// G8. CPython: test_tasks.py, test_yield_wait_does_not_shield_cancel.
TEST_F(WaitTest, CancellingItLeavesTheFuturesRunning) {
  run([&] {
    auto inner = create_task(worker("inner", 10ms));
    auto outer = create_task([&] {
      wait(std::vector{inner}, {.timeout = 5ms});
      wait(std::vector{inner});
      trace("not reached");
    });
    sleep(6ms);
    outer.cancel("enough");
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError: enough");
    EXPECT_EQ(inner.cancelling(), 0);
    await(inner);
  });
  EXPECT_EQ(events, Trace{"10 inner done"});
}

// CPython: test_tasks.py, test_wait_with_iterator_of_tasks, test_wait_generator.
TEST_F(WaitTest, TakesAnyInputRange) {
  run([&] {
    // Single-pass: each task is made when the range is read. By hand, because Clang 14 cannot compile libstdc++'s views.
    struct Once {
      struct iterator {
        using value_type = Task<int>;
        using difference_type = std::ptrdiff_t;
        int i = 0;
        Task<int> operator*() const {
          return create_task([n = i] { return n; });
        }
        iterator& operator++() { return ++i, *this; }
        void operator++(int) { ++i; }
        bool operator==(std::default_sentinel_t) const { return i == 10; }
      };
      iterator begin() const { return {}; }
      std::default_sentinel_t end() const { return {}; }
    };
    const auto [done, pending] = wait(Once{});
    ASSERT_EQ(done.size(), 10U);
    EXPECT_TRUE(pending.empty());
    for (int i = 0; i < 10; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)].result(), i);
  });
}

// G13: gh-152569.
TEST_F(WaitTest, RepeatedWaitsOnALongTaskLeaveNothingInIt) {
  run([&] {
    const auto longest = future<void>();
    for (int i = 0; i < 100; ++i) {
      wait(std::vector{longest}, {.timeout = 1ms});
      wait(std::vector<Future<void>>{longest, sleeper(1ms)}, {.return_when = ReturnWhen::first_completed});
      auto cancelled = create_task([&] { wait(std::vector{longest}); });
      sleep(0ms);
      cancelled.cancel();
      EXPECT_EQ(ending_of([&] { await(cancelled); }), "CancelledError");
    }
    CallbackCount left_behind(loop(), "wait");
    longest.set_result();
    sleep(0ms);
    EXPECT_EQ(left_behind(), 0);
    EXPECT_EQ(longest.state().references(), 1U);
  });
}

TEST_F(WaitTest, TwoMayWaitForTheSameFutures) {
  run([&] {
    auto tasks = std::vector{create_task(worker("a", 10ms)), create_task(worker("b", 20ms))};
    const auto first = [&] { wait(tasks, {.return_when = ReturnWhen::first_completed}); mark("first"); };
    const auto all = [&] { wait(tasks); mark("all"); };
    await(gather(first, all, first));
  });
  EXPECT_EQ(events, (Trace{"10 a done", "10 first", "10 first", "20 b done", "20 all"}));
}

TEST_F(WaitTest, CancelledInTheTurnOfTheCompletionItThrows) {
  run([&] {
    const auto one = future<int>();
    auto waiter = create_task([&] { wait(std::vector{one}); });
    sleep(0ms);
    one.set_result(1);
    waiter.cancel();
    EXPECT_EQ(ending_of([&] { await(waiter); }), "CancelledError");
  });
}

}  // namespace
}  // namespace coir::test
