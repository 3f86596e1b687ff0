// SPDX-License-Identifier: MIT
#include "combinators_test.hpp"

#include <memory>
#include <type_traits>

namespace coir::test {
namespace {

class ShieldTest : public CombinatorTest {};

static_assert(std::is_same_v<decltype(shield(std::declval<Task<int>>())), Future<int>>);
static_assert(std::is_same_v<decltype(shield([] { return 1; })), Future<int>>);
static_assert(std::is_same_v<decltype(shield(std::declval<Future<void>&>())), Future<void>>);

// CPython: test_tasks.py, test_shield_result.
TEST_F(ShieldTest, EndsWithTheResult) {
  const auto inner = future<int>();
  const auto outer = shield(inner);
  inner.set_result(42);
  EXPECT_EQ(loop().run_until_complete(outer), 42);
}

// CPython: test_tasks.py, test_shield_exception.
TEST_F(ShieldTest, EndsWithTheVeryException) {
  const auto inner = future<int>();
  const auto outer = shield(inner);
  const auto failure = std::make_exception_ptr(Boom("expected"));
  inner.set_exception(failure);
  run_ready();
  EXPECT_TRUE(inner.exception_retrieved());
  EXPECT_FALSE(outer.exception_retrieved());
  EXPECT_EQ(outer.exception(), failure);
}

// CPython: test_tasks.py, test_shield_cancel_inner.
TEST_F(ShieldTest, CancellingTheInnerFutureCancelsIt) {
  const auto inner = future<int>();
  const auto outer = shield(inner);
  inner.cancel();
  EXPECT_FALSE(outer.done());
  run_ready();
  EXPECT_TRUE(outer.cancelled());
}

// CPython: test_tasks.py, test_shield_cancel_outer, test_shield_cancel_outer_result (of 3.14).
TEST_F(ShieldTest, CancellingItLeavesTheInnerFutureAloneAndForgotten) {
  const auto inner = future<int>();
  const auto outer = shield(inner);
  EXPECT_TRUE(outer.cancel("mine"));
  EXPECT_TRUE(outer.cancelled());
  EXPECT_FALSE(outer.cancel());
  EXPECT_FALSE(inner.done());
  CallbackCount left_behind(loop(), "shield");
  inner.set_result(1);
  run_ready();
  EXPECT_EQ(left_behind(), 0);
}

// G11. CPython: test_tasks.py, test_shield_shortcut.
TEST_F(ShieldTest, OfADoneFutureIsThatFuture) {
  const auto inner = done_future(42);
  EXPECT_EQ(shield(inner), inner);
  EXPECT_EQ(loop().run_until_complete(shield(inner)), 42);
  const auto cancelled = future<int>();
  cancelled.cancel();
  EXPECT_EQ(shield(cancelled), cancelled);
}

// CPython: test_tasks.py, test_shield_effect.
TEST_F(ShieldTest, CancellingTheTaskThatAwaitsItLetsTheInnerTaskFinish) {
  run([&] {
    const auto gate = future<void>();
    auto outer = create_task([&] {
      await(shield([&] {
        await(gate);
        trace("inner finished");
      }));
      trace("not reached");
    });
    sleep(0ms);
    sleep(0ms);
    outer.cancel();
    EXPECT_EQ(ending_of([&] { await(outer); }), "CancelledError");
    EXPECT_EQ(events, Trace{});
    gate.set_result();
    sleep(0ms);
  });
  EXPECT_EQ(events, Trace{"inner finished"});
}

// CPython: test_tasks.py, test_shield_gather.
TEST_F(ShieldTest, ShieldsAGather) {
  const auto child1 = future<int>();
  const auto child2 = future<int>();
  const auto parent = gather(child1, child2);
  const auto outer = shield(parent);
  outer.cancel();
  run_ready();
  EXPECT_TRUE(outer.cancelled());
  child1.set_result(1);
  child2.set_result(2);
  run_ready();
  EXPECT_EQ(parent.result(), std::tuple(1, 2));
}

// CPython: test_tasks.py, test_gather_shield.
TEST_F(ShieldTest, ShieldsTheChildrenOfAGather) {
  const auto child1 = future<int>();
  const auto child2 = future<int>();
  const auto inner1 = shield(child1);
  const auto inner2 = shield(child2);
  const auto parent = gather(inner1, inner2);
  parent.cancel();
  run_ready();
  EXPECT_EQ(ending_of(parent.exception()), "CancelledError");
  EXPECT_TRUE(inner1.cancelled());
  EXPECT_TRUE(inner2.cancelled());
  child1.set_result(1);
  child2.set_result(2);
  run_ready();
  EXPECT_EQ(child1.result() + child2.result(), 3);
}

// CPython: test_tasks.py, test_shield_coroutine_without_loop, test_shield_coroutine_use_running_loop.
TEST_F(ShieldTest, ACallableNeedsARunningLoop) {
  EXPECT_THROW(static_cast<void>(shield([] { return 42; })), UsageError);
  const auto outer = run([] { return shield([] { return 42; }); });
  EXPECT_EQ(&outer.get_loop(), &loop());
  EXPECT_EQ(loop().run_until_complete(outer), 42);
}

// G11.
TEST_F(ShieldTest, CancelledInTheTurnInWhichTheInnerOneCompletedItIsCancelled) {
  run([&] {
    const auto inner = future<int>();
    auto waiter = create_task([&] { await(shield(inner)); });
    sleep(0ms);
    inner.set_result(1);
    waiter.cancel("late");
    EXPECT_EQ(ending_of([&] { await(waiter); }), "CancelledError: late");
    EXPECT_EQ(inner.result(), 1);
  });
}

// G12. CPython: test_tasks.py, test_shield_cancel_outer_exception (of 3.14).
TEST_F(ShieldTest, AFailureBehindACancelledShieldIsReportedOnlyIfNobodyAsks) {
  run([&] {
    for (const bool asked : {true, false}) {
      auto inner = create_task([]() -> int {
        sleep(1ms);
        throw Boom("behind");
      });
      const auto outer = shield(inner);
      outer.cancel();
      sleep(2ms);
      if (asked) {
        EXPECT_EQ(ending_of([&] { await(inner); }), "Boom: behind");
      }
      EXPECT_TRUE(reports.empty());
    }
  });
  expect_reported({"Task exception was never retrieved: coir::test::Boom: behind"});
}

// CPython: test_tasks.py, test_shield_duplicate_log_once (of 3.14).
TEST_F(ShieldTest, AFailureIsReportedOnceHoweverManyShieldsItHad) {
  run([&] {
    auto inner = create_task([]() -> int {
      sleep(1ms);
      throw Boom("once");
    });
    for (int i = 0; i < 3; ++i) shield(inner).cancel();
    inner = {};
    sleep(2ms);
  });
  expect_reported({"Task exception was never retrieved: coir::test::Boom: once"});
}

TEST_F(ShieldTest, AFailureOfTheShieldItselfIsReportedIfNobodyAsks) {
  const auto inner = future<int>();
  auto outer = shield(inner);
  inner.set_exception(Boom());
  run_ready();
  outer = {};
  expect_reported({"Future exception was never retrieved: coir::test::Boom: boom"});
}

// G13: gh-79306, gh-155143.
TEST_F(ShieldTest, RepeatedShieldAndCancelLeaveNothingInTheInnerFuture) {
  run([&] {
    const auto inner = future<int>();
    for (int i = 0; i < 100; ++i) {
      auto waiter = create_task([&] { await(shield(inner)); });
      sleep(0ms);
      waiter.cancel();
      EXPECT_EQ(ending_of([&] { await(waiter); }), "CancelledError");
      static_cast<void>(shield(inner));  // dropped
      EXPECT_EQ(ending_of([&] { wait_for(shield(inner), 1ms); }), "TimeoutError");
      EXPECT_EQ(ending_of([&] { wait_for(shield(inner), 0ms); }), "TimeoutError");
    }
    CallbackCount left_behind(loop(), "shield");
    inner.set_result(1);
    sleep(0ms);
    EXPECT_EQ(left_behind(), 0);
    EXPECT_EQ(inner.state().references(), 1U);
  });
}

TEST_F(ShieldTest, ADroppedOneLeaksNothingAndStopsNothing) {
  auto alive = std::make_shared<int>();
  run([&] {
    static_cast<void>(shield([&, alive] {
      sleep(1ms);
      trace("ran on");
    }));
    static_cast<void>(shield(future<int>()));
    sleep(2ms);
  });
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(events, Trace{"ran on"});
}

// CPython keeps a shield alive through the callback of the inner future.
TEST_F(ShieldTest, ADroppedOneStillRunsItsCallbacks) {
  run([&] {
    shield(worker("inner", 10ms)).add_done_callback([&] { mark("callback"); });
    sleep(20ms);
  });
  EXPECT_EQ(events, (Trace{"10 inner done", "10 callback"}));
}

TEST_F(ShieldTest, ValuesAreCopiedAndMoveOnlyOnesMoved) {
  run([&] {
    auto text = create_task([] { return std::string(100, 'x'); });
    EXPECT_EQ(await(shield(text)), std::string(100, 'x'));
    EXPECT_EQ(await(text), std::string(100, 'x'));
    EXPECT_EQ(*await(shield([] { return std::make_unique<int>(1); })), 1);
    int value = 2;
    EXPECT_EQ(&await(shield([&]() -> int& { return value; })), &value);
    await(shield([] {}));
  });
}

TEST_F(ShieldTest, ACopyThatThrowsFailsIt) {
  struct Sticky {
    Sticky() = default;
    Sticky(const Sticky&) { throw Boom("copy"); }
    Sticky(Sticky&&) noexcept {}
    Sticky& operator=(const Sticky&) = delete;
    Sticky& operator=(Sticky&&) = delete;
    ~Sticky() = default;
  };
  run([&] {
    EXPECT_EQ(ending_of([&] { static_cast<void>(await(shield([] { return Sticky(); }))); }), "Boom: copy");
  });
}

// T23, and what the shield is for.
TEST_F(ShieldTest, KeepsASharedTaskForTheOthersWhoAwaitIt) {
  run([&] {
    auto shared = create_task(worker("shared", 10ms, 5));
    auto impatient = create_task([&] { await(shield(shared)); });
    auto patient = create_task([&] { return await(shield(shared)); });
    sleep(1ms);
    impatient.cancel();
    EXPECT_EQ(ending_of([&] { await(impatient); }), "CancelledError");
    EXPECT_EQ(await(patient), 5);
  });
  EXPECT_EQ(events, Trace{"10 shared done"});
}

TEST_F(ShieldTest, ShieldsNest) {
  run([&] {
    const auto inner = future<int>();
    const auto middle = shield(inner);
    const auto outer = shield(middle);
    outer.cancel();
    EXPECT_FALSE(middle.done());
    const auto again = shield(middle);
    inner.set_result(1);
    EXPECT_EQ(await(again), 1);
  });
}

}  // namespace
}  // namespace coir::test
