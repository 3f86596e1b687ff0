// SPDX-License-Identifier: MIT
// Context variables: whose value shows where.
#include "runtime_test.hpp"

#include <coir/context.hpp>

#include <stdexcept>
#include <thread>

namespace coir::test {
namespace {

class ContextTest : public RuntimeTest {};

// CPython: test_tasks.py, test_context_1.
TEST_F(ContextTest, ATaskHasACopyOfItsCreatorsContext) {
  const ContextVar<std::string> variable("variable", "none");
  run([&] {
    variable.set("before");
    auto child = create_task([&] {
      sleep(10ms);
      trace("child sees " + variable.get());
      variable.set("child's");
    });
    variable.set("after");
    await(child);
    trace("creator sees " + variable.get());
  });
  EXPECT_EQ(events, (Trace{"child sees before", "creator sees after"}));
  EXPECT_EQ(variable.get(), "none");
}

// CPython: test_tasks.py, test_context_2.
TEST_F(ContextTest, WhatADoneCallbackSetsDoesNotShowInTheTask) {
  const ContextVar<std::string> variable("variable", "none");
  run([&] {
    for (int j = 0; j < 2; ++j) {
      auto future = loop().create_future<void>();
      variable.set("when added");
      future.add_done_callback([&] {
        trace(variable.get());
        variable.set("callback's");
      });
      variable.set("task's");
      loop().call_soon([&] { future.set_result(); });
      await(future);
      EXPECT_EQ(variable.get(), "task's");
      for (int i = 0; i < 3; ++i) {
        variable.set(std::to_string(i));
        sleep(1ms);
        EXPECT_EQ(variable.get(), std::to_string(i));
      }
    }
  });
  EXPECT_EQ(events, (Trace{"when added", "when added"}));
  EXPECT_EQ(variable.get(), "none");
}

// CPython: test_tasks.py, test_context_3.
TEST_F(ContextTest, AHundredTasksHaveAValueEach) {
  const ContextVar<int> variable("variable", -1);
  run([&] {
    std::vector<Task<void>> tasks;
    for (int number = 0; number < 100; ++number) {
      tasks.push_back(create_task([&, number] {
        for (int i = 0; i < 10; ++i) {
          variable.set(number * 10 + i);
          sleep(std::chrono::milliseconds(1 + (number * 7 + i * 13) % 50));
          EXPECT_EQ(variable.get(), number * 10 + i);
        }
      }));
    }
    for (auto& task : tasks) await(task);
  });
  EXPECT_EQ(variable.get(), -1);
}

// CPython: test_tasks.py, test_context_4, test_context_5, test_context_6.
TEST_F(ContextTest, TasksMayShareAContext) {
  const ContextVar<int> variable("variable");
  run([&] {
    const Context shared = copy_context();
    EXPECT_EQ(shared.get(variable), std::nullopt);
    for (const int value : {1, 2}) {
      await(create_task(
          [&, value] {
            sleep(0s);
            variable.set(value);
          },
          {.context = shared}));
      EXPECT_EQ(shared.get(variable), value);
    }
    EXPECT_THROW(variable.get(), std::out_of_range);
  });
}

TEST_F(ContextTest, CallSoonAndTimersAndReadersRunInACopyOfTheContextTheyWereMadeIn) {
  const ContextVar<std::string> variable("variable", "none");
  run([&] {
    const auto set_and_trace = [&] {
      trace(variable.get());
      variable.set("callback's");
    };
    variable.set("soon");
    loop().call_soon(set_and_trace);
    variable.set("later");
    loop().call_later(1ms, set_and_trace);
    variable.set("threadsafe");
    loop().call_soon_threadsafe(set_and_trace);
    variable.set("now");
    sleep(2ms);
    EXPECT_EQ(variable.get(), "now");
  });
  EXPECT_EQ(events, (Trace{"soon", "threadsafe", "later"}));
}

TEST_F(ContextTest, AReaderKeepsWhatItSets) {
  const ContextVar<int> variable("variable", 0);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const DescriptorPair pipe(ends);
  run([&] {
    ASSERT_EQ(::write(pipe[1], "x", 1), 1);
    loop().add_reader(pipe[0], [&] {
      variable.set(variable.get() + 1);
      trace(std::to_string(variable.get()));
      if (variable.get() == 3) loop().remove_reader(pipe[0]);
    });
    while (events.size() < 3) sleep(0s);
    EXPECT_EQ(variable.get(), 0);
  });
  EXPECT_EQ(events, (Trace{"1", "2", "3"}));
}

// CPython: test_tasks.py, test_get_context.
TEST_F(ContextTest, HandlesAndTasksGiveTheirContext) {
  const ContextVar<int> variable("variable", 0);
  run([&] {
    variable.set(1);
    const Handle handle = loop().call_soon([&] { variable.set(variable.get() + 10); });
    auto task = create_task([&] { variable.set(variable.get() + 100); });
    EXPECT_EQ(handle.get_context().get(variable), 1);
    task.get_context().run([&] { variable.set(2); });
    sleep(0s);
    EXPECT_EQ(handle.get_context().get(variable), 11);
    EXPECT_EQ(task.get_context().get(variable), 102);
    EXPECT_EQ(handle.get_context(), handle.get_context());
    EXPECT_EQ(current_task().get_context().get(variable), 1);
    const Context given = copy_context();
    auto sharing = create_task([] {}, {.context = given});
    await(sharing);
    EXPECT_EQ(sharing.get_context(), given);
  });
}

// CPython: test_context.py, test_context_run_4, test_context_run_5, test_context_getset_1, test_context_copy_1.
TEST_F(ContextTest, RunMakesItCurrentAndKeepsWhatIsSetInIt) {
  const ContextVar<int> a("a");
  const ContextVar<int> b("b", 7);
  Context context;
  context.run([&] {
    EXPECT_EQ(b.get(), 7);
    a.set(1);
    EXPECT_EQ(context.run([&] { return a.get(); }), 1) << "entered twice";
    const Context copy = copy_context();
    EXPECT_NE(copy, context);
    copy.run([&] { a.set(2); });
    EXPECT_EQ(copy.get(a), 2);
  });
  EXPECT_EQ(context.get(a), 1);
  EXPECT_EQ(context.copy().get(a), 1);
  EXPECT_TRUE(context.contains(a));
  EXPECT_FALSE(context.contains(b)) << "a default is no value";
  EXPECT_EQ(context.get(b), std::nullopt);
  EXPECT_EQ(context.size(), 1U);
  EXPECT_EQ(a.get(-1), -1);
  EXPECT_EQ(b.get(-1), -1) << "an argument goes before the default";
  EXPECT_THROW(context.run([&] {
    a.set(5);
    throw std::logic_error("x");
  }),
               std::logic_error);
  EXPECT_EQ(context.get(a), 5);
  EXPECT_THROW(a.get(), std::out_of_range);
}

TEST_F(ContextTest, AFunctionInAContextMayAwaitAndTheOthersKeepTheirs) {
  const ContextVar<std::string> variable("variable", "none");
  run([&] {
    Context context;
    variable.set("outside");
    auto other = create_task([&] {
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(variable.get(), "outside");
        sleep(1ms);
      }
    });
    context.run([&] {
      variable.set("inside");
      sleep(2ms);
      EXPECT_EQ(variable.get(), "inside");
      await(create_task([&] { EXPECT_EQ(variable.get(), "inside"); }));
    });
    EXPECT_EQ(variable.get(), "outside");
    await(other);
  });
}

// CPython: test_context.py, test_context_getset_1, test_context_getset_2, test_context_getset_3, test_context_getset_4,
// test_context_getset_5.
TEST_F(ContextTest, ATokenSetsBackOnceInItsOwnContext) {
  const ContextVar<int> variable("variable");
  const ContextVar<int> other("other");
  Context().run([&] {
    auto first = variable.set(1);
    EXPECT_EQ(first.old_value(), std::nullopt);
    auto second = variable.set(2);
    EXPECT_EQ(second.old_value(), 1);
    EXPECT_THROW(other.reset(second), std::invalid_argument);
    Context().run([&] { EXPECT_THROW(variable.reset(second), std::invalid_argument); });
    variable.reset(second);
    EXPECT_EQ(variable.get(), 1);
    expect_usage_error(Reason::token_used, "ContextVar 'variable'", [&] { variable.reset(second); });
    variable.reset(first);
    EXPECT_THROW(variable.get(), std::out_of_range);
    EXPECT_EQ(copy_context().size(), 0U);
    variable.reset(variable.set(3));
    EXPECT_FALSE(copy_context().contains(variable));
  });
}

TEST_F(ContextTest, ManyVariablesKeepTheirValues) {
  std::vector<std::unique_ptr<ContextVar<std::size_t>>> variables;
  for (std::size_t i = 0; i < 50; ++i) {
    variables.push_back(std::make_unique<ContextVar<std::size_t>>(std::to_string(i)));
  }
  Context().run([&] {
    for (std::size_t i = 0; i < 50; ++i) variables[(i * 37) % 50]->set((i * 37) % 50);
    for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(variables[i]->get(), i);
    EXPECT_EQ(copy_context().size(), 50U);
  });
}

TEST_F(ContextTest, AValueOutlivesItsVariableAndDiesWithTheLastContext) {
  const auto value = std::make_shared<int>(1);
  {
    Context context;
    {
      const ContextVar<std::shared_ptr<int>> variable("variable");
      context.run([&] { variable.set(value); });
    }
    const ContextVar<int> next("perhaps at the same address");
    EXPECT_EQ(context.get(next), std::nullopt);
    EXPECT_EQ(value.use_count(), 2);
  }
  EXPECT_EQ(value.use_count(), 1);
}

TEST_F(ContextTest, AThreadHasAContextOutsideOfTasksToo) {
  const ContextVar<int> variable("variable", 0);
  auto token = variable.set(1);
  run([&] { EXPECT_EQ(variable.get(), 1) << "the main task has a copy of the thread's"; });
  std::thread([&] { EXPECT_EQ(variable.get(), 0); }).join();
  variable.reset(token);
}

// CPython: test_threads.py, test_to_thread_contextvars.
TEST_F(ContextTest, ToThreadTakesACopyAlongAndAnExecutorDoesNot) {
  const ContextVar<std::string> variable("variable", "none");
  run([&] {
    variable.set("parrot");
    EXPECT_EQ(to_thread([&] {
                const std::string seen = variable.get();
                variable.set("thread's");
                return seen;
              }),
              "parrot");
    EXPECT_EQ(await(loop().run_in_executor([&] { return variable.get(); })), "none");
    EXPECT_EQ(variable.get(), "parrot");
    loop().shutdown_default_executor();
  });
}

// CPython: test_runners.py, test_run_keeps_context.
TEST_F(ContextTest, ARunnerKeepsItsContextFromRunToRun) {
  const ContextVar<int> variable("variable", -1);
  Runner runner;
  EXPECT_EQ(runner.run([&] {
              const int before = variable.get();
              variable.set(1);
              return before;
            }),
            -1);
  EXPECT_EQ(runner.run([&] {
              const int before = variable.get();
              variable.set(2);
              return before;
            }),
            1);
  EXPECT_EQ(runner.run([&] { return copy_context(); }).get(variable), 2);
  EXPECT_EQ(variable.get(), -1);
}

// L16. CPython: test_futures2.py, test_task_exc_handler_correct_context, test_handle_exc_handler_correct_context.
TEST_F(ContextTest, TheExceptionHandlerRunsInTheContextOfWhatFailed) {
  const ContextVar<std::string> variable("variable", "none");
  loop().set_exception_handler([&](EventLoop&, const ExceptionContext& context) {
    trace(context.message.substr(0, 13) + ": " + variable.get());
    variable.set("handler's");
  });
  run([&] {
    variable.set("callback's");
    loop().call_soon([] { throw std::runtime_error("x"); });
    sleep(0s);
    auto task = create_task([&] {
      variable.set("task's");
      throw std::runtime_error("y");
    });
    variable.set("main's");
    sleep(0s);
    task = {};
    EXPECT_EQ(variable.get(), "main's");
  });
  EXPECT_EQ(events, (Trace{"Exception in : callback's", "Task exceptio: task's"}));
}

}  // namespace
}  // namespace coir::test
