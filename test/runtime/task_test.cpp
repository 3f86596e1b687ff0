// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>

namespace coir::test {
namespace {

class TaskTest : public RuntimeTest {};

// CPython: test_tasks.py, test_bare_create_task.
TEST_F(TaskTest, BeginsInTheNextTurn) {
  run([&] {
    const std::uint64_t turn = loop().turns();
    auto task = create_task([&] { return loop().turns(); });
    EXPECT_FALSE(task.done());
    EXPECT_EQ(await(task), turn + 1);
  });
}

// CPython: test_tasks.py, test_cancel_at_end.
TEST_F(TaskTest, SelfCancelAndReturnEndsCancelled) {  // T5
  run([&] {
    auto task = create_task([] {
      current_task().cancel("self");
      return 1;
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: self");
    EXPECT_TRUE(task.cancelled());
    EXPECT_EQ(task.cancelling(), 1);
  });
}

TEST_F(TaskTest, SelfCancelAndThrowEndsWithTheException) {  // T6
  run([&] {
    auto task = create_task([] {
      current_task().cancel();
      throw std::out_of_range("x");
    });
    EXPECT_THROW(await(task), std::out_of_range);
    EXPECT_FALSE(task.cancelled());
  });
}

TEST_F(TaskTest, ASpontaneousCancelledErrorCancelsIt) {  // T13
  run([&] {
    auto task = create_task([] { throw CancelledError("nobody asked"); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: nobody asked");
    EXPECT_TRUE(task.cancelled());
    EXPECT_EQ(task.cancelling(), 0);
    EXPECT_FALSE(current_task().cancelling());
  });
}

TEST_F(TaskTest, CancelOfADoneOneIsFalseAndCountsNothing) {  // T14
  run([&] {
    auto task = create_task([] { return 1; });
    await(task);
    EXPECT_FALSE(task.cancel());
    EXPECT_EQ(task.cancelling(), 0);
    EXPECT_EQ(task.uncancel(), 0);
  });
}

// CPython: test_tasks.py, test_cancelling.
TEST_F(TaskTest, ItsCountIsNotResetByItsEnd) {  // T14
  run([&] {
    auto task = create_task([] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
      }
      return 1;
    });
    sleep(0s);
    EXPECT_EQ(task.cancelling(), 0);
    EXPECT_TRUE(task.cancel());
    EXPECT_EQ(task.cancelling(), 1);
    EXPECT_EQ(await(task), 1);
    EXPECT_EQ(task.cancelling(), 1);
    EXPECT_EQ(task.uncancel(), 0);
    EXPECT_EQ(task.uncancel(), 0) << "never below zero";
    EXPECT_EQ(task.result(), 1);
  });
}

// CPython: test_base_events.py, test_run_forever_keyboard_interrupt.
TEST_F(TaskTest, SystemExitIsItsExceptionAndLeavesRunUntilComplete) {  // T16
  auto task = loop().create_task([] { throw SystemExit("3"); });
  EXPECT_EQ(ending_of([&] { loop().run_until_complete(task); }), "coir::SystemExit: 3");
  EXPECT_FALSE(task.exception_retrieved()) << "whoever made the task has not looked";
  EXPECT_EQ(describe(task.exception()), "coir::SystemExit: 3");
  EXPECT_THROW(loop().run_until_complete([] { throw SystemExit("4"); }), SystemExit);  // retrieved: nothing is reported
}

// CPython: test_tasks.py, test_task_source_traceback.
TEST_F(TaskTest, AnUnretrievedFailureIsReportedWithNameAndPlace) {  // F6
  run([&] {
    static_cast<void>(create_task([] { throw std::runtime_error("lost"); }, TaskOptions{.name = "loser"}));
    sleep(0s);
  });
  expect_reported({"Task exception was never retrieved: std::runtime_error: lost"});
  EXPECT_EQ(subjects.at(0).rfind("Task 'loser' created at task_test.cpp:", 0), 0U) << subjects.at(0);
}

// CPython: test_tasks.py, test_log_destroyed_pending_task.
TEST_F(TaskTest, GoesOnWhenAllItsHandlesAreDropped) {  // T17: the loop owns its tasks
  run([&] {
    {
      static_cast<void>(create_task([&] {
        sleep(1s);
        trace("finished");
      }));
    }
    sleep(2s);
  });
  EXPECT_EQ(events, (Trace{"finished"}));
}

// T18
TEST_F(TaskTest, CallbacksAndWaitersGoOnInTheTurnAfterItsEnd) {
  run([&] {
    std::uint64_t ended = 0;
    auto task = create_task([&] { ended = loop().turns(); });
    task.add_done_callback([&] { EXPECT_EQ(loop().turns(), ended + 1); });
    await(task);
    EXPECT_EQ(loop().turns(), ended + 1);
  });
}

int plain(int depth) { return depth == 0 ? 0 : 1 + await([depth] { return plain(depth - 1); }); }
int nested(int depth) {
  return depth == 0 ? 0 : 1 + await(create_task([depth] { return nested(depth - 1); }));
}

TEST_F(TaskTest, AChainOfTasksCostsTwoTurnsALinkAndOfCallsNone) {  // T18
  run([&] {
    EXPECT_EQ(turns_of([] { EXPECT_EQ(nested(5), 5); }), 10U);
    EXPECT_EQ(turns_of([] { EXPECT_EQ(plain(5), 5); }), 0U);
  });
}

// CPython: test_tasks.py, test_current_task, test_current_task_with_interleaving_tasks,
// test_current_task_no_running_loop, test_current_task_no_running_loop_implicit, test_current_task_with_implicit_loop.
TEST_F(TaskTest, IsTheCurrentOneOnlyWhileItRuns) {  // T20
  EXPECT_FALSE(current_task());
  run([&] {
    const auto check = [](const AnyTask& self) {
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(current_task(), self);
        sleep(0s);
      }
    };
    Task<void> first;
    Task<void> second;
    first = create_task([&] { check(first); });
    second = create_task([&] { check(second); });
    loop().call_soon([] { EXPECT_FALSE(current_task()) << "in a callback"; });
    await(first);
    await(second);
    EXPECT_EQ(current_task().get_name(), "main");
  });
  EXPECT_FALSE(current_task());
}

// CPython: test_tasks.py, test_task_set_methods.
TEST_F(TaskTest, RefusesSetResultAndSetException) {  // T21
  run([&] {
    auto task = create_task([] { return 1; });
    expect_usage_error(Reason::result_of_task, "set_result()", [&] { task.set_result(2); });
    expect_usage_error(Reason::result_of_task, "set_exception()",
                       [&] { task.set_exception(std::runtime_error("x")); });
    EXPECT_EQ(await(task), 1);
    expect_usage_error(Reason::result_of_task, "set_result()", [&] { task.set_result(2); });
  });
}

// CPython: test_tasks.py, test_task_repr_autogenerated, test_bare_create_named_task; test_base_events.py,
// test_create_named_task_with_default_factory.
TEST_F(TaskTest, DefaultNamesCountUp) {  // T21
  run([&] {
    auto first = create_task([] {});
    auto second = create_task([] {});
    auto named = create_task([] {}, TaskOptions{.name = "mine"});
    EXPECT_EQ(first.get_name().rfind("Task-", 0), 0U);
    EXPECT_EQ(std::stoi(second.get_name().substr(5)), std::stoi(first.get_name().substr(5)) + 1);
    EXPECT_EQ(named.get_name(), "mine");
    named.set_name("yours");
    EXPECT_EQ(named.get_name(), "yours");
    sleep(0s);
  });
}

/// What a fresh thread that makes `count` tasks calls them, without "Task-".
static std::vector<int> numbers_of_new_tasks(std::size_t count) {
  std::vector<int> numbers;
  std::thread([&] {
    coir::run([&] {
      while (numbers.size() < count) {
        numbers.push_back(std::stoi(create_task([] {}).get_name().substr(5)));
        if (numbers.size() % 7 == 0) sleep(0s);
      }
    });
  }).join();
  return numbers;
}

TEST_F(TaskTest, DefaultNamesOfOneThreadHaveNoGapsWhileNoOtherMakesTasks) {
  const std::vector<int> numbers = numbers_of_new_tasks(1000);
  for (std::size_t i = 1; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], numbers[i - 1] + 1) << i;
}

TEST_F(TaskTest, NoTwoThreadsShareADefaultName) {
  constexpr std::size_t threads = 4;
  constexpr std::size_t each = 500;
  std::array<std::vector<int>, threads> numbers;
  {
    std::vector<std::thread> running;
    for (auto& own : numbers) running.emplace_back([&own] { own = numbers_of_new_tasks(each); });
    for (std::thread& thread : running) thread.join();
  }
  std::set<int> all;
  for (const auto& own : numbers) {
    EXPECT_TRUE(std::is_sorted(own.begin(), own.end())) << "each counts up";
    all.insert(own.begin(), own.end());
  }
  EXPECT_EQ(all.size(), threads * each);
}

TEST_F(TaskTest, AllTasksAreTheUnfinishedOnesOldestFirst) {
  run([&] {
    auto first = create_task([] { sleep(1s); }, TaskOptions{.name = "first"});
    auto second = create_task([] {}, TaskOptions{.name = "second"});
    auto third = create_task([] { sleep(1s); }, TaskOptions{.name = "third"});
    const auto names = [] {
      Trace all;
      for (const AnyTask& task : all_tasks()) all.push_back(task.get_name());
      return all;
    };
    EXPECT_EQ(names(), (Trace{"main", "first", "second", "third"}));
    await(second);
    EXPECT_EQ(names(), (Trace{"main", "first", "third"}));
    EXPECT_EQ(all_tasks(loop()).size(), 3U);
    sleep(2s);
  });
  EXPECT_TRUE(all_tasks(loop()).empty());
}

// CPython: test_tasks.py, test_task_repr_wait_for.
TEST_F(TaskTest, SaysWhatItWaitsOn) {
  run([&] {
    auto future = loop().create_future<void>();
    auto task = create_task([&] { await(future); });
    EXPECT_FALSE(task.waiting_on());
    sleep(0s);
    EXPECT_EQ(task.waiting_on(), future);
    future.set_result();
    await(task);
    EXPECT_FALSE(task.waiting_on());
  });
}

TEST_F(TaskTest, ItsBodyLivesUntilItEndsAndIsDestroyedInTheTask) {
  run([&] {
    auto task = create_task([captured = on_destruction([this] {
                              trace(current_task() ? current_task().get_name() : "no task");
                            })] { sleep(1s); },
                            TaskOptions{.name = "owner"});
    sleep(0s);
    EXPECT_EQ(events, Trace{});
    await(task);
  });
  EXPECT_EQ(events, (Trace{"owner"}));
}

// CPython: test_tasks.py, test_create_task_with_async_function, test_create_task_with_asynclike_function.
TEST_F(TaskTest, BodiesAreAnyCallable) {
  run([] {
    EXPECT_EQ(await(create_task([value = std::make_unique<int>(1)]() mutable { return std::move(value); })).operator*(),
              1);
    static int target = 2;
    EXPECT_EQ(&await(create_task([]() -> int& { return target; })), &target);
    std::function<std::string()> body = [] { return "three"; };
    EXPECT_EQ(await(create_task(body)), "three");
  });
}

TEST_F(TaskTest, StacksAreReusedByTasksThatFollowEachOther) {
  run([&] {
    for (int i = 0; i < 100; ++i) static_cast<void>(create_task([] {}));
    sleep(0s);
    EXPECT_LE(loop().stats().fibers.peak, 2U);
  });
}

TEST_F(TaskTest, ErrnoIsItsOwn) {  // X8
  run([&] {
    const auto body = [](int own) {
      return [own] {
        errno = own;
        for (int i = 0; i < 3; ++i) {
          sleep(0s);
          EXPECT_EQ(errno, own);
        }
      };
    };
    auto first = create_task(body(ENOENT));
    auto second = create_task(body(EAGAIN));
    loop().call_soon([] { errno = EINTR; });
    await(first);
    await(second);
  });
}

// CPython: test_tasks.py, test_task_class, test_future_subclass.
TEST_F(TaskTest, IsAFutureOfTheLoopThatMadeIt) {
  static_assert(std::is_base_of_v<Future<int>, Task<int>>);
  EventLoop other(LoopOptions{.clock = &clock});
  auto task = loop().create_task([] { return 1; });
  auto foreign = other.create_task([] { return 2; });
  EXPECT_EQ(&task.get_loop(), &loop());
  EXPECT_EQ(&foreign.get_loop(), &other);
  EXPECT_EQ(other.run_until_complete(foreign), 2);
  EXPECT_FALSE(task.done());
  EXPECT_EQ(loop().run_until_complete(task), 1);
  EXPECT_EQ(task.result(), 1);
}

// CPython: test_tasks.py, test_coroutine_non_gen_function_return_future.
TEST_F(TaskTest, AFutureThatItReturnsIsItsResultAndNotAwaited) {
  run([&] {
    auto future = loop().create_future<int>();
    auto returns = create_task([&] { return future; });
    EXPECT_EQ(await(returns), future);
    EXPECT_FALSE(future.done());
    future.set_result(1);
  });
}

// F6. CPython: test_tasks.py, test_tb_logger_not_called_after_cancel.
TEST_F(TaskTest, CancelOfAFailedOneSilencesIt) {
  run([&] {
    auto task = create_task([] { throw std::out_of_range("x"); });
    sleep(50ms);
    EXPECT_FALSE(task.cancel());
    EXPECT_TRUE(task.exception_retrieved());
  });
}

}  // namespace
}  // namespace coir::test
