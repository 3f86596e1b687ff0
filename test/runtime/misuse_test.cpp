// SPDX-License-Identifier: MIT
// P8: no misuse is undefined behaviour. Each says what was called and what to write instead.
#include "runtime_test.hpp"

#include <coir/io.hpp>
#include <coir/threads.hpp>

#include <functional>
#include <memory>
#include <thread>

namespace coir::test {
namespace {

class MisuseTest : public RuntimeTest {
 protected:
  /// Everything that may only be called in a task.
  std::vector<std::function<void()>> suspending_calls() {
    auto future = loop().create_future<int>();
    return {[future] { await(future); },
            [future] { static_cast<void>(try_await(future)); },
            [] { await([] { return 1; }); },
            [] { sleep(0s); },
            [] { sleep(1s); },
            [] { to_thread([] {}); },
            [] { await_readable(0); },
            [] { await_writable(1); },
            [this] { loop().shutdown_default_executor(); }};
  }
};

TEST_F(MisuseTest, AwaitWithoutALoop) {  // X1
  for (const auto& call : suspending_calls()) {
    expect_usage_error(Reason::no_running_loop, "no event loop runs on this thread", call);
  }
  expect_usage_error(Reason::no_running_loop, "await of Future created at misuse_test.cpp:",
                     [this] { await(loop().create_future<int>()); });
  expect_usage_error(Reason::no_running_loop, "coir::run(fn)", [] { sleep(1s); });
}

TEST_F(MisuseTest, AwaitOnAForeignThreadWhileTheLoopRuns) {  // X1
  run([&] {
    auto future = loop().create_future<int>();
    std::thread([&] {
      expect_usage_error(Reason::no_running_loop, "run_coroutine_threadsafe(fn, loop)", [] { sleep(1s); });
      expect_usage_error(Reason::no_running_loop, "get_running_loop()", [] { get_running_loop(); });
    }).join();
  });
}

TEST_F(MisuseTest, AwaitInACallback) {  // X1, T20
  bool checked = false;
  loop().call_soon([&] {
    for (const auto& call : suspending_calls()) {
      expect_usage_error(Reason::outside_task, "inside the callback", call);
    }
    expect_usage_error(Reason::outside_task, "create_task([...] { ... })", [] { sleep(0s); });
    checked = true;
  });
  run_ready();
  EXPECT_TRUE(checked);
}

TEST_F(MisuseTest, AwaitInADoneCallbackOrATimer) {  // X1
  auto done = loop().create_future<int>();
  done.set_result(1);
  done.add_done_callback([&] { expect_usage_error(Reason::outside_task, "await of", [&] { await(done); }); });
  loop().call_later(1s, [&] { expect_usage_error(Reason::outside_task, "sleep()", [] { sleep(1s); }); });
  run_ready();
}

TEST_F(MisuseTest, CreateTaskAndAllTasksWithoutALoop) {
  expect_usage_error(Reason::no_running_loop, "no running event loop", [] { static_cast<void>(create_task([] {})); });
  expect_usage_error(Reason::no_running_loop, "all_tasks()", [] { all_tasks(); });
  expect_usage_error(Reason::no_running_loop, "get_running_loop()", [] { get_running_loop(); });
  expect_usage_error(Reason::no_running_loop, "set_event_loop()", [] { get_event_loop(); });
}

// CPython: test_tasks.py, test_task_awaits_on_itself.
TEST_F(MisuseTest, ATaskThatAwaitsItself) {  // T15
  run([&] {
    Task<void> task;
    task = create_task([&] {
      expect_usage_error(Reason::await_on_itself, "Task cannot await on itself", [&] { await(task); });
      expect_usage_error(Reason::await_on_itself, "Task cannot await on itself",
                         [&] { static_cast<void>(try_await(task)); });
      sleep(0s);  // and goes on
    });
    await(task);
  });
}

// CPython: test_tasks.py, test_other_loop_future; test_base_events.py, test_run_until_complete_loop.
TEST_F(MisuseTest, AFutureOfAnotherLoop) {  // T15
  EventLoop other(LoopOptions{.clock = &clock});
  auto pending = other.create_future<int>();
  auto done = other.create_future<int>();
  done.set_result(1);
  run([&] {
    expect_usage_error(Reason::wrong_loop, "attached to a different loop", [&] { await(pending); });
    expect_usage_error(Reason::wrong_loop, "run_coroutine_threadsafe()", [&] { await(done); });
    sleep(0s);
  });
  expect_usage_error(Reason::wrong_loop, "attached to a different loop", [&] { loop().run_until_complete(pending); });
}

TEST_F(MisuseTest, RunInACallback) {
  bool checked = false;
  loop().call_soon([&] {
    expect_usage_error(Reason::loop_is_running, "run() cannot be called from a running event loop",
                       [] { coir::run([] {}); });
    Runner runner;
    expect_usage_error(Reason::loop_is_running, "inside a task run(fn) works", [&] { runner.run([] {}); });
    checked = true;
  });
  run_ready();
  EXPECT_TRUE(checked);
}

// CPython: test_runners.py, test_recursive_run.
TEST_F(MisuseTest, RunOfARunnerInATask) {
  Runner runner({.loop = {.clock = &clock}, .handle_sigint = false});
  runner.run([&] {
    expect_usage_error(Reason::loop_is_running, "run() cannot be called from a running event loop",
                       [&] { runner.run([this] { trace("ran"); }); });
    sleep(0s);
  });
  EXPECT_EQ(events, Trace{});
}

// CPython: test_runners.py, test_asyncio_run_from_running_loop.
TEST_F(MisuseTest, RunInATaskJustCalls) {
  run([&] {
    const AnyTask self = current_task();
    EXPECT_EQ(coir::run([&] {
                sleep(1s);
                return current_task();
              }),
              self);
    EXPECT_THROW(coir::run([] { throw std::out_of_range("x"); }), std::out_of_range);
    EXPECT_EQ(all_tasks().size(), 1U);
  });
}

// CPython: test_base_events.py, test_running_loop_within_a_loop.
TEST_F(MisuseTest, ARunWithinARun) {  // L11
  EventLoop other(LoopOptions{.clock = &clock});
  const auto check = [&] {
    const auto future = loop().create_future<void>();
    expect_usage_error(Reason::loop_is_running, "This event loop is already running", [&] { loop().run_forever(); });
    expect_usage_error(Reason::loop_is_running, "This event loop is already running",
                       [&] { loop().run_until_complete(future); });
    expect_usage_error(Reason::loop_is_running, "Cannot run the event loop while another loop is running",
                       [&] { other.run_forever(); });
    EXPECT_FALSE(other.is_running());
  };
  loop().call_soon(check);
  run(check);
}

TEST_F(MisuseTest, ARefusedRunDoesNotStartItsCallable) {  // L11: CPython looks before it makes the task
  run([&] {
    expect_usage_error(Reason::loop_is_running, "already running",
                       [&] { loop().run_until_complete([this] { trace("started"); }); });
    sleep(0s);
    EXPECT_EQ(all_tasks().size(), 1U);
  });
  EXPECT_EQ(events, Trace{});
}

TEST_F(MisuseTest, CloseOfARunningLoop) {  // L13
  const auto check = [&] {
    expect_usage_error(Reason::loop_is_running, "Cannot close a running event loop", [&] { loop().close(); });
  };
  loop().call_soon(check);
  run(check);
  EXPECT_FALSE(loop().is_closed());
}

// CPython: test_base_events.py, test_close, test_create_task_error_closes_coro.
TEST_F(MisuseTest, AnyCallAfterClose) {  // L13
  auto future = loop().create_future<int>();
  auto done = loop().create_future<int>();
  done.set_result(1);
  loop().close();
  const auto alive = std::make_shared<int>();
  const auto callable = [alive] {};
  const std::vector<std::function<void()>> calls = {
      [&] { loop().call_soon(callable); },
      [&] { loop().call_soon_threadsafe(callable); },
      [&] { loop().call_later(1s, callable); },
      [&] { loop().call_at(TimePoint{}, callable); },
      [&] { static_cast<void>(loop().create_task(callable)); },
      [&] { static_cast<void>(loop().create_task(callable, TaskOptions{.name = "x"})); },
      [&] { static_cast<void>(loop().create_future<int>()); },
      [&] { loop().add_reader(0, callable); },
      [&] { loop().add_writer(0, callable); },
      [&] { loop().remove_reader(0); },
      [&] { loop().remove_writer(0); },
      [&] { static_cast<void>(loop().run_in_executor(callable)); },
      [&] { loop().set_default_executor(nullptr); },
      [&] { run_coroutine_threadsafe(callable, loop()); },
      [&] { future.add_done_callback(callable); },
      [&] { loop().run_forever(); },
      [&] { loop().run_until_complete(done); },
      [&] { loop().run_until_complete(callable); },
      [&] { loop().stop(); },
      [&] { run_until_stalled(loop()); }};
  for (const auto& call : calls) expect_usage_error(Reason::loop_is_closed, "Event loop is closed", call);
  EXPECT_EQ(alive.use_count(), 2) << "a refused callable is destroyed";
}

// CPython: test_base_events.py, test_check_thread.
TEST_F(MisuseTest, CallsFromAForeignThreadInDebugMode) {  // L15
  loop().set_debug(true);
  loop().slow_callback_duration = 1h;
  run([&] {
    auto future = loop().create_future<int>();
    const std::vector<std::function<void()>> calls = {
        [&] { loop().call_soon([] {}); },
        [&] { loop().call_later(1s, [] {}); },
        [&] { static_cast<void>(loop().create_task([] {})); },
        [&] { static_cast<void>(loop().create_future<int>()); },
        [&] { loop().add_reader(0, [] {}); },
        [&] { future.add_done_callback([] {}); },
        [&] { loop().stop(); }};
    std::thread([&] {
      for (const auto& call : calls) {
        expect_usage_error(Reason::wrong_thread, "from a thread that does not run this loop", call);
      }
      loop().call_soon_threadsafe(note("posted"));
    }).join();
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"posted"}));
}

TEST_F(MisuseTest, ACallBeforeTheLoopRunsIsAllowedFromAnyThreadInDebugMode) {  // L15: nobody runs it yet
  loop().set_debug(true);
  loop().slow_callback_duration = 1h;
  std::thread([&] { loop().call_soon(note("called")); }).join();
  run_ready();
  EXPECT_EQ(events, (Trace{"called"}));
}

// CPython: test_tasks.py, test_set_result_causes_invalid_state, test_set_exception_causes_invalid_state.
TEST_F(MisuseTest, SetResultOnATask) {  // T21
  run([&] {
    auto task = create_task([] { return 1; }, TaskOptions{.name = "t"});
    expect_usage_error(Reason::result_of_task, "set_result() on Task 't'", [&] { task.set_result(1); });
    await(task);
  });
}

TEST_F(MisuseTest, RunUntilStalledOnTheRealClock) {
  EventLoop real;
  expect_usage_error(Reason::stopped_early, "needs a loop with a VirtualClock", [&] { run_until_stalled(real); });
}

TEST_F(MisuseTest, AUsageErrorIsALogicErrorAndLeavesTheTaskUsable) {
  static_assert(std::is_base_of_v<std::logic_error, UsageError>);
  run([&] {
    auto task = create_task([&] {
      try {
        Future<int> foreign = EventLoop(LoopOptions{.clock = &clock}).create_future<int>();
        await(foreign);
      } catch (const std::logic_error&) {
        sleep(1s);
        trace("went on");
      }
    });
    await(task);
  });
  EXPECT_EQ(events, (Trace{"went on"}));
}

TEST_F(MisuseTest, ALoopInAForkOfItsProcess) {
  run([&] {
    const ChildResult child = in_child([&] {
      EXPECT_FALSE(current_task());
      expect_usage_error(Reason::forked, "call_soon(): this process is a fork of the one that runs the loop",
                         [&] { loop().call_soon([] {}); });
      expect_usage_error(Reason::no_running_loop, "sleep()", [] { sleep(1s); });
      loop().close();
      return HasFailure() ? 1 : 0;
    });
    EXPECT_TRUE(child.exited_with(0)) << child.output;
    sleep(1s);  // the parent goes on
    trace("slept");
  });
  EXPECT_EQ(events, (Trace{"slept"}));
}

}  // namespace
}  // namespace coir::test
