// SPDX-License-Identifier: MIT
// X4: what becomes of tasks that are still there when their loop goes.
#include "runtime_test.hpp"

#include <coir/trace.hpp>

#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace coir::test {
namespace {

class TeardownTest : public RuntimeTest {};

void write_reports(EventLoop& loop) {
  loop.set_exception_handler([](EventLoop&, const ExceptionContext& context) {
    std::fprintf(stderr, "%s | %s\n", context.message.c_str(), context.subject.c_str());
  });
}

// CPython: test_tasks.py, test_log_destroyed_pending_task.
TEST_F(TeardownTest, ASuspendedTaskIsReportedAndItsStackNeverUnwound) {  // X4, T17, P5
  const ChildResult child = in_child([] {
    struct Local {
      ~Local() { std::fputs("unwound\n", stderr); }
    };
    VirtualClock own_clock;
    {
      EventLoop loop(LoopOptions{.clock = &own_clock});
      write_reports(loop);
      auto future = loop.create_future<void>();
      auto task = loop.create_task(
          [&] {
            const Local local;
            await(future);
          },
          TaskOptions{.name = "stuck"});
      run_until_stalled(loop);
    }
    std::fputs("went on\n", stderr);
    return 0;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
  EXPECT_TRUE(child.says("Task was destroyed but it is pending! Its stack is never unwound and leaks."))
      << child.output;
  EXPECT_TRUE(child.says("Task 'stuck' created at teardown_test.cpp:")) << child.output;
  EXPECT_TRUE(child.says("waiting on Future created at teardown_test.cpp:")) << child.output;
  EXPECT_FALSE(child.says("unwound\n")) << child.output;
  EXPECT_TRUE(child.says("went on")) << child.output;
}

TEST_F(TeardownTest, WithoutAHandlerItIsLogged) {  // X4: loudly
  const ChildResult child = in_child([] {
    VirtualClock own_clock;
    EventLoop loop(LoopOptions{.clock = &own_clock});
    auto task = loop.create_task([] { sleep(1h); }, TaskOptions{.name = "asleep"});
    loop.stop();
    loop.run_forever();
    loop.close();
    return 0;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
  EXPECT_TRUE(child.says("Task was destroyed but it is pending!")) << child.output;
  EXPECT_TRUE(child.says("Task 'asleep' created at")) << child.output;
  EXPECT_TRUE(child.says("waiting on sleep")) << child.output;
}

TEST_F(TeardownTest, ATaskThatNeverBeganIsReportedAndItsCapturesDestroyed) {  // X3, X4
  auto captured = std::make_shared<int>();
  auto task = loop().create_task([captured] {}, TaskOptions{.name = "early"});
  loop().close();
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_FALSE(task.done());
  expect_reported({"Task was destroyed but it is pending! It never began."});
  EXPECT_EQ(subjects.at(0).rfind("Task 'early'", 0), 0U);
}

TEST_F(TeardownTest, HandlesOfALostTaskStayUsable) {  // X4
  const ChildResult child = in_child([] {
    VirtualClock own_clock;
    Task<int> task;
    {
      EventLoop loop(LoopOptions{.clock = &own_clock});
      write_reports(loop);
      task = loop.create_task([] { return sleep(1h, 1); });
      loop.stop();
      loop.run_forever();
    }
    if (task.done() || task.cancelled()) return 1;
    task.set_name("lost");
    task.cancel();  // nobody will ever notice
    return task.describe().rfind("Task 'lost'", 0) == 0 ? 0 : 2;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

#if defined(__SANITIZE_ADDRESS__)
TEST_F(TeardownTest, ALeakCheckerReportsWhatTheLostTaskOwned) {  // X4, P5
  const ChildResult child = in_child([] {
    VirtualClock own_clock;
    {
      EventLoop loop(LoopOptions{.clock = &own_clock});
      write_reports(loop);
      auto task = loop.create_task([] {
        const auto owned = std::make_unique<std::array<char, 1234>>();
        sleep(1h);
      });
      loop.stop();
      loop.run_forever();
    }
    return __lsan_do_recoverable_leak_check() != 0 ? 0 : 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
  EXPECT_TRUE(child.says("1234 byte")) << child.output;
}
#endif

TEST_F(TeardownTest, CallbacksOfFuturesCompletedByDestructorsAreDroppedAtClose) {
  auto future = loop().create_future<void>();
  auto alive = std::make_shared<int>();
  future.add_done_callback([this, alive] { trace("ran"); });
  loop().call_soon([held = on_destruction([future] { future.set_result(); })] {});
  loop().close();
  EXPECT_TRUE(future.done());
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(events, Trace{});
}

TEST_F(TeardownTest, AFutureCompletedAfterCloseDropsItsCallbacks) {
  auto future = loop().create_future<int>();
  auto alive = std::make_shared<int>();
  future.add_done_callback([this, alive] { trace("ran"); });
  loop().close();
  EXPECT_EQ(alive.use_count(), 2);
  future.set_result(1);
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(future.result(), 1);
}

}  // namespace
}  // namespace coir::test
