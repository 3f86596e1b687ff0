// SPDX-License-Identifier: MIT
// TaskOptions::eager_start and LoopOptions::eager_tasks: what has happened when create_task() returns.
#include "runtime_test.hpp"

#include <coir/context.hpp>

#include <algorithm>
#include <thread>

namespace coir::test {
namespace {

constexpr auto is_in = [](const AnyTask& task, const std::vector<AnyTask>& tasks) {
  return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
};

class EagerStartTest : public RuntimeTest {
 protected:
  template <class Fn>
  static auto eager(Fn&& fn, std::string name = {}) {
    return create_task(std::forward<Fn>(fn), {.name = std::move(name), .eager_start = true});
  }
};

// E1. CPython: test_eager_task_factory.py, test_eager_completion, test_await_future_during_eager_step.
TEST_F(EagerStartTest, ABodyThatNeverSuspendsIsDoneOnReturnAndCallbacksRunLater) {
  run([&] {
    auto future = loop().create_future<std::string>();
    auto task = eager([&] {
      trace(current_task().get_name());
      future.set_result("message");
      return 5;
    },
                      "child");
    EXPECT_TRUE(task.done());
    task.add_done_callback([&] { trace("callback"); });
    trace("created");
    EXPECT_EQ(current_task().get_name(), "main");
    EXPECT_EQ(turns_of([&] { EXPECT_EQ(await(task), 5); }), 0U);
    EXPECT_EQ(await(future), "message");
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"child", "created", "callback"}));
}

// CPython: test_eager_task_factory.py, test_block_after_eager_step.
TEST_F(EagerStartTest, ABodyThatSuspendsGoesOnAsATaskLikeOthers) {
  run([&] {
    auto task = eager([&] {
      trace("begins");
      sleep(100ms);
      trace("ends");
      return 1;
    });
    trace("created");
    EXPECT_FALSE(task.done());
    EXPECT_EQ(await(task), 1);
    EXPECT_EQ(elapsed_ms(), 100);
  });
  EXPECT_EQ(events, (Trace{"begins", "created", "ends"}));
}

// CPython: test_eager_task_factory.py, test_cancellation_after_eager_completion.
TEST_F(EagerStartTest, CancelOfOneThatHasEndedDoesNothing) {
  run([&] {
    auto task = eager([] { return 3; });
    EXPECT_FALSE(task.cancel());
    EXPECT_EQ(await(task), 3);
    EXPECT_FALSE(task.cancelled());
  });
}

// CPython: test_eager_task_factory.py, test_cancellation_after_eager_step_blocks.
TEST_F(EagerStartTest, CancelOfOneThatIsSuspendedReachesItsAwait) {
  run([&] {
    auto task = eager([] { sleep(100ms); });
    EXPECT_TRUE(task.cancel("message"));
    EXPECT_EQ(task.cancelling(), 1);
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: message");
    EXPECT_TRUE(task.cancelled());
  });
}

// CPython: test_eager_task_factory.py, test_current_task.
TEST_F(EagerStartTest, CurrentTaskIsTheTaskBeforeAndAfterItSuspends) {
  run([&] {
    AnyTask seen;
    auto task = eager([&] {
      seen = current_task();
      sleep(100ms);
      EXPECT_EQ(current_task(), seen);
    });
    EXPECT_EQ(seen, AnyTask(task));
    EXPECT_NE(current_task(), seen);
    await(task);
  });
}

// CPython: test_eager_task_factory.py, test_all_tasks_with_eager_completion, test_all_tasks_with_blocking.
TEST_F(EagerStartTest, AllTasksHasItFromItsBeginningToItsEnd) {
  run([&] {
    std::vector<AnyTask> during;
    auto ended = eager([&] { during = all_tasks(); });
    EXPECT_TRUE(is_in(ended, during));
    EXPECT_FALSE(is_in(ended, all_tasks()));

    auto first = loop().create_future<void>();
    auto second = loop().create_future<void>();
    auto blocked = eager([&] {
      during = all_tasks();
      await(first);
      second.set_result();
    });
    EXPECT_TRUE(is_in(blocked, during));
    EXPECT_TRUE(is_in(blocked, all_tasks()));
    first.set_result();
    await(second);
    EXPECT_FALSE(is_in(blocked, all_tasks()));
  });
}

// CPython: test_eager_task_factory.py, test_context_vars.
TEST_F(EagerStartTest, ItRunsInACopyOfItsCreatorsContext) {
  const ContextVar<int> variable("variable", 0);
  run([&] {
    variable.set(1);
    auto task = eager([&] {
      EXPECT_EQ(variable.get(), 1);
      variable.set(2);
      sleep(100ms);
      EXPECT_EQ(variable.get(), 2);
      variable.set(3);
    });
    EXPECT_EQ(variable.get(), 1);
    await(task);
    EXPECT_EQ(variable.get(), 1);
    EXPECT_EQ(task.get_context().get(variable), 3);
  });
}

TEST_F(EagerStartTest, EagerTasksNestAndEachReturnsToItsCreator) {
  run([&] {
    auto outer = eager([&] {
      auto middle = eager([&] {
        auto inner = eager([&] {
          trace("inner begins");
          sleep(1ms);
          trace("inner ends");
        });
        trace("middle suspends");
        await(inner);
        trace("middle ends");
      });
      trace("outer ends");
      return middle;
    });
    trace("main goes on");
    await(await(outer));
  });
  EXPECT_EQ(events, (Trace{"inner begins", "middle suspends", "outer ends", "main goes on", "inner ends", "middle ends"}));
}

TEST_F(EagerStartTest, ACallbackMayStartOne) {
  run([&] {
    Task<void> task;
    loop().call_soon([&] {
      task = eager([&] {
        trace("begins");
        sleep(1ms);
        trace("ends");
      });
      trace("created");
      EXPECT_FALSE(current_task());
      expect_usage_error(Reason::outside_task, "inside the callback", [] { sleep(0s); });
    });
    sleep(0s);
    await(task);
  });
  EXPECT_EQ(events, (Trace{"begins", "created", "ends"}));
}

TEST_F(EagerStartTest, WhatItMakesReadyRunsNoEarlierThanItsCreatorsNextAwait) {
  run([&] {
    auto other = create_task([&] { trace("other"); });
    auto task = eager([&] {
      trace("begins");
      sleep(0s);
      trace("ends");
    });
    trace("created");
    sleep(0s);
    trace("main");
    await(task);
    await(other);
  });
  EXPECT_EQ(events, (Trace{"begins", "created", "other", "ends", "main"}));
}

TEST_F(EagerStartTest, AFailureStaysInTheTask) {
  run([&] {
    auto task = eager([]() -> int { throw std::out_of_range("x"); });
    EXPECT_TRUE(task.done());
    EXPECT_THROW(await(task), std::out_of_range);
  });
}

TEST_F(EagerStartTest, InACatchBlockTheExceptionsStayWithTheirTasks) {
  run([&] {
    try {
      throw std::runtime_error("creator's");
    } catch (...) {
      auto task = eager([&] {
        EXPECT_EQ(std::current_exception(), nullptr);
        try {
          throw std::runtime_error("child's");
        } catch (...) {
          sleep(1ms);
          trace(describe(std::current_exception()));
        }
      });
      trace(describe(std::current_exception()));
      await(task);
    }
  });
  EXPECT_EQ(events, (Trace{"std::runtime_error: creator's", "std::runtime_error: child's"}));
}

// E3.
TEST_F(EagerStartTest, WhatMustLeaveTheLoopLeavesCreateTask) {
  auto main = loop().create_task([&] {
    try {
      static_cast<void>(eager([] { throw SystemExit("out"); }));
      ADD_FAILURE() << "create_task() returned";
    } catch (const SystemExit& exit) {
      trace("create_task: " + exit.message());
      EXPECT_TRUE(current_task()) << "the creator is current again";
    }
    sleep(0s);
    trace("goes on");
  });
  loop().run_until_complete(main);
  EXPECT_EQ(events, (Trace{"create_task: out", "goes on"}));
  expected_reports = {"Task exception was never retrieved: coir::SystemExit: out"};
}

// E3.
TEST_F(EagerStartTest, IsRefusedOnAThreadThatDoesNotRunTheLoop) {
  run([&] {
    to_thread([&] {
      expect_usage_error(Reason::wrong_thread, "run_coroutine_threadsafe()", [&] {
        static_cast<void>(loop().create_task([] {}, {.eager_start = true}));
      });
    });
    loop().shutdown_default_executor();
  });
}

TEST_F(EagerStartTest, BeforeTheLoopRunsItStartsLikeOthers) {
  auto task = loop().create_task([&] { trace("runs"); }, {.eager_start = true});
  trace("created");
  loop().run_until_complete(task);
  EXPECT_EQ(events, (Trace{"created", "runs"}));
}

// CPython: test_eager_task_factory.py, test_eager_task_factory_set, test_awaitables_chain.
TEST_F(EagerStartTest, ALoopMayStartAllItsTasksEagerly) {
  make_loop({.eager_tasks = true});
  run([&] {
    const std::function<int(int)> chain = [&](int depth) -> int {
      if (depth == 0) return 0;
      return 1 + await(create_task([&, depth] { return chain(depth - 1); }));
    };
    EXPECT_EQ(turns_of([&] { EXPECT_EQ(chain(20), 20); }), 0U) << "no task of the chain is ever scheduled";
  });
}

TEST_F(EagerStartTest, WorksInDebugModeAndWithATracer) {
  make_loop({.debug = true, .eager_tasks = true});
  run([&] {
    auto task = create_task([&] {
      sleep(1ms);
      return 1;
    });
    EXPECT_EQ(await(task), 1);
  });
}

TEST_F(EagerStartTest, AThousandThatSuspendAndEndInAnyOrder) {
  run([&] {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 1000; ++i) {
      tasks.push_back(eager([i] {
        for (int j = 0; j < i % 7; ++j) sleep(std::chrono::milliseconds((i * 31 + j) % 11));
        return i;
      }));
    }
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(await(tasks[static_cast<std::size_t>(i)]), i);
  });
}

}  // namespace
}  // namespace coir::test
