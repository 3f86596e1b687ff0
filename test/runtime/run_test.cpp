// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <coir/threads.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>

namespace coir::test {
namespace {

class RunTest : public RuntimeTest {
 protected:
  RunOptions options() { return {.loop = {.clock = &clock}, .handle_sigint = false}; }
  /// In a task: reports of this loop go to the fixture.
  void catch_reports() {
    get_running_loop().set_exception_handler([this](EventLoop&, const ExceptionContext& context) {
      reports.push_back(context.message + (context.exception ? ": " + coir::describe(context.exception) : ""));
      subjects.push_back(context.subject);
    });
  }
};

// CPython: test_runners.py, test_asyncio_run_return, test_asyncio_run_raises.
TEST_F(RunTest, ReturnsWhatMainReturnsAndThrowsWhatItThrows) {
  EXPECT_EQ(coir::run([] { return 1; }, options()), 1);
  EXPECT_EQ(*coir::run([] { return std::make_unique<int>(2); }, options()), 2);
  static int target = 3;
  EXPECT_EQ(&coir::run([]() -> int& { return target; }, options()), &target);
  coir::run([] { sleep(1h); }, options());
  EXPECT_THROW(coir::run([] { throw std::out_of_range("x"); }, options()), std::out_of_range);
  EXPECT_EQ(ending_of([&] { coir::run([] { throw CancelledError("c"); }, options()); }), "CancelledError: c");
  EXPECT_THROW(coir::run([] { throw SystemExit("3"); }, options()), SystemExit);
  EXPECT_THROW(get_running_loop(), UsageError);
}

TEST_F(RunTest, MainIsATaskNamedMain) {
  coir::run(
      [] {
        EXPECT_EQ(current_task().get_name(), "main");
        EXPECT_EQ(all_tasks().size(), 1U);
      },
      options());
}

// R1. CPython: test_runners.py, test_asyncio_run_cancels_hanging_tasks.
TEST_F(RunTest, LeftoverTasksAreCancelledAndRunToTheirEnd) {
  coir::run(
      [&] {
        static_cast<void>(create_task([&] {
          try {
            sleep(1h);
          } catch (const CancelledError&) {
            trace("cancelled");
            sleep(1s);  // cleanup may await
            trace("cleaned up");
            throw;
          }
        }));
        sleep(0s);
      },
      options());
  EXPECT_EQ(events, (Trace{"cancelled", "cleaned up"}));
  EXPECT_EQ(elapsed_ms(), 1000);
}

TEST_F(RunTest, LeftoverTasksThatNeverBeganEndWithoutBeginning) {  // R1, T1
  auto captured = std::make_shared<int>();
  coir::run(
      [&] {
        static_cast<void>(create_task([this, captured] {  // runs in the last turn, so that its child has none left
          static_cast<void>(create_task([this, captured] { trace("began"); }));
        }));
      },
      options());
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(events, Trace{});
}

// CPython: test_runners.py, test_asyncio_run_reports_hanging_tasks_errors.
TEST_F(RunTest, ErrorsAtShutdownAreReported) {  // R1
  coir::run(
      [&] {
        catch_reports();
        static_cast<void>(create_task(
            [] {
              try {
                sleep(1h);
              } catch (const CancelledError&) {
                throw std::out_of_range("cleanup");
              }
            },
            TaskOptions{.name = "leftover"}));
        sleep(0s);
      },
      options());
  expect_reported({"unhandled exception during run() shutdown: std::out_of_range: cleanup"});
  EXPECT_EQ(subjects.at(0).rfind("Task 'leftover' created at run_test.cpp:", 0), 0U) << subjects.at(0);
}

TEST_F(RunTest, LeftoverTasksAreDrainedWhenMainFails) {  // R1
  EXPECT_THROW(coir::run(
                   [&] {
                     static_cast<void>(create_task([&] {
                       try {
                         sleep(1h);
                       } catch (...) {
                         trace("cancelled");
                         throw;
                       }
                     }));
                     sleep(0s);
                     throw std::out_of_range("main");
                   },
                   options()),
               std::out_of_range);
  EXPECT_EQ(events, (Trace{"cancelled"}));
}

TEST_F(RunTest, ATaskThatSwallowsTheCancellationIsRunToItsEnd) {  // R1
  coir::run(
      [&] {
        static_cast<void>(create_task([&] {
          for (int i = 0; i < 3; ++i) {
            try {
              sleep(1s);
            } catch (...) {
              trace("swallowed");
            }
          }
          trace("ended");
        }));
        sleep(0s);
      },
      options());
  EXPECT_EQ(events, (Trace{"swallowed", "ended"}));
}

TEST_F(RunTest, WaitsForThreadsOfTheDefaultExecutor) {  // R1
  std::atomic<bool> finished = false;
  coir::run(
      [&] {
        auto future = get_running_loop().run_in_executor([&] { finished = true; });
        future.cancel();
      },
      options());
  coir::run(
      [&] {
        EXPECT_EQ(to_thread([&] {
                    finished = true;
                    return 1;
                  }),
                  1);
      },
      options());
  EXPECT_TRUE(finished);
}

TEST_F(RunTest, ALoopThatWasStoppedIsAnError) {
  expect_usage_error(Reason::stopped_early, "Event loop stopped before Future completed", [&] {
    coir::run(
        [&] {
          get_running_loop().stop();
          sleep(1h);
        },
        options());
  });
}

// CPython: test_runners.py, test_run, test_second_with_block_raises.
TEST_F(RunTest, ARunnerRunsManyTimesOnOneLoop) {
  Runner runner(options());
  EventLoop* const first = &runner.get_loop();
  EXPECT_EQ(runner.run([] { return 1; }), 1);
  EXPECT_THROW(runner.run([] { throw std::out_of_range("x"); }), std::out_of_range);
  EXPECT_EQ(runner.run([] { return &get_running_loop(); }), first);
  runner.close();
  runner.close();
  expect_usage_error(Reason::loop_is_closed, "run(): Event loop is closed", [&] { runner.run([] {}); });
}

TEST_F(RunTest, TasksLeftBehindGoOnAtTheNextRunOfARunner) {
  Runner runner(options());
  Task<void> left;
  runner.run([&] {
    left = create_task([&] {
      sleep(1s);
      trace("went on");
    });
    sleep(0s);
  });
  EXPECT_FALSE(left.done());
  runner.run([] { sleep(2s); });
  EXPECT_TRUE(left.done());
  EXPECT_EQ(events, (Trace{"went on"}));
}

TEST_F(RunTest, ARunnerDrainsInItsDestructor) {
  {
    Runner runner(options());
    runner.run([&] {
      static_cast<void>(create_task([&] {
        try {
          sleep(1h);
        } catch (...) {
          sleep(1s);
          trace("cleaned up");
          throw;
        }
      }));
      sleep(0s);
    });
  }
  EXPECT_EQ(events, (Trace{"cleaned up"}));
}

TEST_F(RunTest, ARunnerThatNeverRanClosesQuietly) {
  const Runner runner(options());
}

TEST_F(RunTest, AKeyboardInterruptOfMainDrainsAndLeaves) {  // R2, L7
  EXPECT_EQ(ending_of([&] {
              coir::run(
                  [&] {
                    static_cast<void>(create_task([&] {
                      try {
                        sleep(1h);
                      } catch (...) {
                        trace("cancelled");
                        throw;
                      }
                    }));
                    sleep(0s);
                    throw KeyboardInterrupt("main");
                  },
                  options());
            }),
            "coir::KeyboardInterrupt: main");
  EXPECT_EQ(events, (Trace{"cancelled"}));
}

TEST_F(RunTest, ARunnerThatAKeyboardInterruptLeftRunsAgain) {  // L7
  Runner runner(options());
  EXPECT_THROW(runner.run([] { throw KeyboardInterrupt("main"); }), KeyboardInterrupt);
  EXPECT_EQ(runner.run([] { return sleep(1s, 1); }), 1);
}

// CPython: test_runners.py, test_asyncio_run_debug, test_non_debug, test_debug.
TEST_F(RunTest, DebugModeIsAnOption) {
  for (const bool debug : {false, true}) {
    RunOptions with = options();
    with.loop.debug = debug;
    EXPECT_EQ(coir::run([] { return get_running_loop().get_debug(); }, with), debug);
    Runner runner(with);
    EXPECT_EQ(runner.get_loop().get_debug(), debug);
  }
}

// CPython: test_runners.py, test_explicit_close, test_double_close; there get_loop() throws once it is closed.
TEST_F(RunTest, ClosingARunnerClosesItsLoop) {
  Runner runner(options());
  EventLoop& of_the_runner = runner.get_loop();
  EXPECT_FALSE(of_the_runner.is_closed());
  runner.close();
  EXPECT_TRUE(of_the_runner.is_closed());
  runner.close();
  EXPECT_EQ(&runner.get_loop(), &of_the_runner);
}

}  // namespace
}  // namespace coir::test
