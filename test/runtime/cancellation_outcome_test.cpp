// SPDX-License-Identifier: MIT
// What becomes of a cancellation: where it arrives, what the task makes of it, and what others see of it afterwards.
#include "runtime_test.hpp"

#include <exception>
#include <stdexcept>

namespace coir::test {
namespace {

class CancellationOutcomeTest : public RuntimeTest {};

// T3. CPython: test_tasks.py, test_cancel_yield.
TEST_F(CancellationOutcomeTest, ReachesATaskThatOnlyYields) {
  run([&] {
    auto task = create_task([this] {
      trace("began");
      sleep(0s);
      sleep(0s);
      trace("not reached");
    });
    sleep(0s);
    EXPECT_TRUE(task.cancel());
    EXPECT_THROW(await(task), CancelledError);
    EXPECT_TRUE(task.cancelled());
    EXPECT_FALSE(task.cancel());
  });
  EXPECT_EQ(events, (Trace{"began"}));
}

// CPython: test_tasks.py, test_cancel_inner_future, test_cancel_both_task_and_inner_future.
TEST_F(CancellationOutcomeTest, ACancelledFutureCancelsTheTaskThatAwaitsIt) {
  run([&] {
    for (const bool both : {false, true}) {
      auto future = loop().create_future<void>();
      auto task = create_task([&] { await(future); });
      sleep(0s);
      EXPECT_TRUE(future.cancel("of the future"));
      if (both) task.cancel("of the task");
      EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: of the future");
      EXPECT_TRUE(task.cancelled());
      EXPECT_EQ(task.cancelling(), both ? 1 : 0);
    }
  });
}

// CPython: test_tasks.py, test_yield_future_passes_cancel.
TEST_F(CancellationOutcomeTest, PassesThroughEveryFrameOfTheTask) {
  run([&] {
    auto future = loop().create_future<void>();
    const auto inner = [&] {
      try {
        await(future);
      } catch (const CancelledError&) {
        trace("inner");
        throw;
      }
    };
    auto task = create_task([&] {
      try {
        inner();
      } catch (const CancelledError&) {
        trace("outer");
      }
    });
    sleep(0s);
    task.cancel();
    await(task);
    EXPECT_TRUE(future.cancelled());
    EXPECT_FALSE(task.cancelled());
  });
  EXPECT_EQ(events, (Trace{"inner", "outer"}));
}

// CPython: test_tasks.py, test_cancel_task_catching, test_cancel_task_ignoring.
TEST_F(CancellationOutcomeTest, SwallowedTheTaskGoesOnToWhatItAwaitsNext) {
  run([&] {
    auto first = loop().create_future<void>();
    auto second = loop().create_future<void>();
    auto third = loop().create_future<int>();
    auto task = create_task([&] {
      await(first);
      try {
        await(second);
      } catch (const CancelledError&) {
      }
      return await(third);
    });
    sleep(0s);
    EXPECT_EQ(task.waiting_on(), first);
    first.set_result();
    sleep(0s);
    EXPECT_EQ(task.waiting_on(), second);
    task.cancel();
    EXPECT_TRUE(second.cancelled());
    sleep(0s);
    EXPECT_EQ(task.waiting_on(), third);
    third.set_result(42);
    EXPECT_EQ(await(task), 42);
    EXPECT_FALSE(third.cancelled());
    EXPECT_FALSE(task.cancelled());
  });
}

// CPython: test_tasks.py, test_cancel_with_message_then_future_result, test_cancel_with_message_then_future_exception.
TEST_F(CancellationOutcomeTest, ItsMessageIsWhatResultAndExceptionThrow) {
  run([&] {
    for (const std::string message : {"", "my message"}) {
      auto task = create_task([] { sleep(10s); });
      sleep(0s);
      task.cancel(message);
      sleep(0s);
      for (int again = 0; again < 2; ++again) {
        EXPECT_EQ(ending_of([&] { task.result(); }), "CancelledError: " + message);
        EXPECT_EQ(ending_of([&] { static_cast<void>(task.exception()); }), "CancelledError: " + message);
      }
    }
  });
}

// CPython: test_tasks.py, test_cancellation_exception_context; std::throw_with_nested() is what `raise from` is there.
TEST_F(CancellationOutcomeTest, AnAwaiterMayMakeAnotherErrorOfIt) {
  run([&] {
    auto inner = create_task([] { sleep(10s); });
    auto outer = create_task([&] {
      loop().call_soon([&] { inner.cancel("msg"); });
      try {
        await(inner);
      } catch (const CancelledError&) {
        std::throw_with_nested(std::runtime_error("cancelled"));
      }
    });
    try {
      await(outer);
      ADD_FAILURE();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "cancelled");
      EXPECT_EQ(ending_of([&] { std::rethrow_if_nested(error); }), "CancelledError: msg");
    }
    EXPECT_FALSE(outer.cancelled());
  });
}

// T12, T16. CPython: test_tasks.py, test_baseexception_during_cancel.
TEST_F(CancellationOutcomeTest, SystemExitInTheCleanUpLeavesTheLoop) {
  auto task = loop().create_task([] {
    try {
      sleep(10s);
    } catch (const CancelledError&) {
      throw SystemExit("cleanup");
    }
  });
  loop().call_soon([&] {
    task.cancel();
    EXPECT_FALSE(task.done());
  });
  EXPECT_THROW(loop().run_forever(), SystemExit);
  EXPECT_TRUE(task.done());
  EXPECT_FALSE(task.cancelled());
  EXPECT_EQ(describe(task.exception()), "coir::SystemExit: cleanup");
}

}  // namespace
}  // namespace coir::test
