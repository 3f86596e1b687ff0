// SPDX-License-Identifier: MIT
// Callbacks that run while a task is suspended, or right behind one that has ended: the task calls them, on the loop's
// own stack (fibers/src/call_on_stack.hpp), and neither may notice.
#include "call_stack_test.hpp"

#include <coir/trace.hpp>

#include <cerrno>
#include <cstddef>
#include <sstream>
#include <stdexcept>

namespace shop {

// Has a frame and a name in every build.
[[gnu::noinline]] void look(const std::function<void()>& looking) {
  looking();
  ++steps;
}

}  // namespace shop

namespace shop_test {
namespace {

using coir::sleep;
using coir::Task;
using coir::TaskOptions;

/// Uses `bytes` of the stack that it runs on, to the last.
[[gnu::noinline]] std::size_t use_stack(std::size_t bytes) {
  constexpr std::size_t frame = 16 << 10;
  volatile std::byte room[frame];
  for (std::size_t i = 0; i < frame; i += 512) room[i] = std::byte{1};
  const std::size_t below = bytes > frame ? use_stack(bytes - frame) : 0;
  return below + static_cast<std::size_t>(room[0]);
}

class CallbackTest : public CallStackTest {
 protected:
  /// main, which suspends with `callback` next in the queue, and is ready again behind it.
  template <class Callback>
  void suspend_over(Callback callback) {
    run([&] {
      loop().call_soon(callback);
      trace("main suspends");
      sleep(0s);
      trace("main goes on");
    });
  }
};

TEST_F(CallbackTest, OneThatNeedsAMegabyteOfStackRunsAmongTasksThatHaveLess) {
  make_loop({.stack_bytes = std::size_t{128} << 10});
  run([&] {
    loop().call_soon([&] { trace("behind a suspended task: " + std::to_string(use_stack(1 << 20))); });
    sleep(0s);
    auto future = gate();
    future.add_done_callback([&](const auto&) { trace("of a future: " + std::to_string(use_stack(1 << 20))); });
    future.set_result();
    auto other = create_task([&] {
      loop().call_soon([&] { trace("behind a task that ended: " + std::to_string(use_stack(1 << 20))); });
    });
    await(other);
    loop().call_later(1s, [&] { trace("of a timer: " + std::to_string(use_stack(1 << 20))); });
    sleep(2s);
  });
  EXPECT_EQ(events, (Trace{"behind a suspended task: 64", "of a future: 64", "behind a task that ended: 64",
                           "of a timer: 64"}));
}

TEST_F(CallbackTest, SeesNoExceptionOfTheTaskThatIsSuspendedInACatchBlock) {
  const auto seen = [] {
    return coir::describe(std::current_exception()) + ", uncaught " + std::to_string(std::uncaught_exceptions());
  };
  run([&] {
    loop().call_soon([&] { trace("callback: " + seen()); });
    try {
      throw std::runtime_error("of the task");
    } catch (const std::runtime_error&) {
      sleep(0s);
      trace("task: " + seen());
    }
    try {
      const OnDestruction cleanup([&] {
        loop().call_soon([&] { trace("callback: " + seen()); });
        sleep(0s);
        trace("task: " + seen());
      });
      throw std::runtime_error("on its way");
    } catch (const std::runtime_error& error) {
      trace(std::string("caught ") + error.what());
    }
  });
  const std::string none = coir::describe(nullptr);
  EXPECT_EQ(events, (Trace{"callback: " + none + ", uncaught 0", "task: std::runtime_error: of the task, uncaught 0",
                           "callback: " + none + ", uncaught 0", "task: " + none + ", uncaught 1",
                           "caught on its way"}));
}

TEST_F(CallbackTest, MayThrowAndCatchBetweenTwoStepsOfATaskThatHandlesNothing) {
  suspend_over([&] {
    try {
      throw std::runtime_error("of the callback");
    } catch (const std::runtime_error& error) {
      trace(error.what());
    }
    EXPECT_EQ(std::current_exception(), nullptr);
  });
  EXPECT_EQ(events, (Trace{"main suspends", "of the callback", "main goes on"}));
}

TEST_F(CallbackTest, ChangesNoTasksErrno) {  // X8
  run([&] {
    const auto sets = [&](int value) {
      return [&, value] {
        errno = value;
        trace("callback");
      };
    };
    errno = ERANGE;
    loop().call_soon(sets(EINTR));
    sleep(0s);
    EXPECT_EQ(errno, ERANGE) << "while nothing is handled";
    try {
      throw std::runtime_error("x");
    } catch (...) {
      errno = EDOM;
      loop().call_soon(sets(EINTR));
      sleep(0s);
      EXPECT_EQ(errno, EDOM) << "in a catch block";
    }
    auto other = create_task([&] {
      errno = ENOENT;
      loop().call_soon(sets(EAGAIN));
    });
    errno = EDOM;
    await(other);
    EXPECT_EQ(errno, EDOM) << "behind a task that ended";
  });
  EXPECT_EQ(events, (Trace{"callback", "callback", "callback"}));
}

TEST_F(CallbackTest, SeesTheStackOfTheTaskThatCallsItAndNothingOfItsOwn) {
  run([&] {
    const auto future = gate();
    Trace stack;
    std::string graph;
    std::string printed;
    auto task = create_task([&] { shop::wait_here(future); }, TaskOptions{.name = "waiter"});
    auto awaiting = create_task([&] { await(task); }, TaskOptions{.name = "awaiting"});
    sleep(0s);
    // The task's own last steps: it asks for the callback and suspends.
    auto asking = create_task(
        [&, asked = gate()] {
          loop().call_soon([&] {
            shop::look([&] {
              const coir::AnyTask self = coir::all_tasks().back();
              stack = names(self.get_stack());
              graph = coir::format_call_graph(self);
              std::ostringstream out;
              coir::print_call_graph(out, task);
              printed = out.str();
              asked.set_result();
            });
          });
          shop::wait_here(asked);
        },
        TaskOptions{.name = "asking"});
    await(asking);
    EXPECT_EQ(stack.size(), has_libdw ? 2U : stack.size()) << ::testing::PrintToString(stack);
    ASSERT_GE(stack.size(), 1U);
    EXPECT_EQ(stack.back(), "shop::wait_here");
    EXPECT_EQ(graph.find("* Task 'asking'"), 0U) << graph;
    EXPECT_NE(graph.find("in shop::wait_here\n"), std::string::npos) << graph;
    EXPECT_NE(graph.find("* Task 'main'"), std::string::npos) << graph;
    EXPECT_EQ(graph.find("look"), std::string::npos) << graph;
    EXPECT_EQ(printed.find("* Task 'waiter'"), 0U) << printed;
    EXPECT_NE(printed.find("in shop::wait_here\n"), std::string::npos) << printed;
    EXPECT_NE(printed.find("* Task 'awaiting'"), std::string::npos) << printed;
    EXPECT_EQ(printed.find("look"), std::string::npos) << printed;
    future.set_result();
    await(awaiting);
  });
}

TEST_F(CallbackTest, HasNoCurrentTaskAndMayNotAwait) {
  suspend_over([&] {
    EXPECT_FALSE(coir::current_task());
    EXPECT_FALSE(coir::capture_call_graph().future);
    expect_usage_error(Reason::outside_task, "inside the callback", [] { sleep(0s); });
    trace("callback");
  });
  EXPECT_EQ(events, (Trace{"main suspends", "callback", "main goes on"}));
}

TEST_F(CallbackTest, MayStartATaskEagerlyThatSuspendsAndGoesOnLater) {
  std::vector<Task<void>> tasks;
  const auto start = [&](const std::string& name) {
    return [&, name] {
      tasks.push_back(create_task(
          [&, name] {
            trace(name + " begins");
            sleep(0s);
            trace(name + " goes on: " + std::to_string(names(coir::current_task().get_stack()).size() != 0));
            sleep(1s);
            trace(name + " ends");
          },
          {.name = name, .eager_start = true}));
      trace(name + " is suspended: " + std::to_string(names(tasks.back().get_stack(1)).size()));
    };
  };
  run([&] {
    loop().call_soon(start("first"));
    loop().call_soon(start("second"));
    trace("main suspends");
    sleep(0s);
    trace("main goes on");
    auto posts = create_task([&] { loop().call_soon(start("third")); });
    await(posts);
    for (std::size_t i = 0; i < tasks.size(); ++i) await(tasks[i]);
  });
  const std::string walked = has_libdw ? "1" : events.at(2).substr(events.at(2).size() - 1);
  EXPECT_EQ(events, (Trace{"main suspends", "first begins", "first is suspended: " + walked, "second begins",
                           "second is suspended: " + walked, "main goes on", "first goes on: 1", "second goes on: 1",
                           "third begins", "third is suspended: " + walked, "third goes on: 1", "first ends",
                           "second ends", "third ends"}));
}

TEST_F(CallbackTest, KeyboardInterruptLeavesTheLoopAndTheRestGoesOnAtTheNextRun) {  // L7
  auto task = loop().create_task([&] {
    loop().call_soon([&] {
      trace("interrupts");
      throw coir::KeyboardInterrupt();
    });
    loop().call_soon(note("behind it"));
    trace("suspends");
    sleep(0s);
    trace("goes on");
    return 1;
  });
  EXPECT_THROW(loop().run_forever(), coir::KeyboardInterrupt);
  trace("left");
  EXPECT_FALSE(task.done());
  EXPECT_EQ(loop().run_until_complete(task), 1);
  EXPECT_EQ(events, (Trace{"suspends", "interrupts", "left", "behind it", "goes on"}));
}

TEST_F(CallbackTest, StopEndsTheTurn) {  // L8
  auto task = loop().create_task([&] {
    loop().call_soon([&] {
      loop().stop();
      trace("stops");
    });
    loop().call_soon(note("the same turn"));
    for (int i = 0; i < 2; ++i) {
      sleep(0s);
      trace("goes on");
    }
    return 1;
  });
  loop().run_forever();
  trace("stopped");
  EXPECT_EQ(loop().run_until_complete(task), 1);
  EXPECT_EQ(events, (Trace{"stops", "the same turn", "goes on", "stopped", "goes on"}));
}

TEST_F(CallbackTest, AFailureIsReportedAndTheNextOneRuns) {  // L6
  run([&] {
    loop().call_soon([] { throw std::runtime_error("first"); });
    loop().call_soon([] { throw 2; });
    loop().call_soon(note("third"));
    sleep(0s);
    EXPECT_EQ(std::current_exception(), nullptr);
    trace("main goes on");
  });
  EXPECT_EQ(events, (Trace{"third", "main goes on"}));
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].find("Exception in callback"), 0U) << reports[0];
  EXPECT_TRUE(reports[0].ends_with("std::runtime_error: first")) << reports[0];
  expected_reports = reports;
}

TEST_F(CallbackTest, OnePostedByATaskThatEndsRunsBehindIt) {
  run([&] {
    auto child = create_task([&] {
      loop().call_soon([&] {
        EXPECT_FALSE(coir::current_task());
        EXPECT_EQ(coir::all_tasks().size(), 1U) << "main";
        trace("callback");
      });
      trace("child ends");
    });
    auto fails = create_task([&] {
      loop().call_soon([&] {
        EXPECT_EQ(std::current_exception(), nullptr);
        trace("behind the failure");
      });
      throw std::runtime_error("x");
    });
    await(child);
    trace(ending_of([&] { await(fails); }));
  });
  EXPECT_EQ(events, (Trace{"child ends", "callback", "std::runtime_error: x", "behind the failure"}))
      << "main became ready when the first one ended";
}

TEST_F(CallbackTest, MaySwitchDebugModeOnAndOff) {
  run([&] {
    loop().slow_callback_duration = 1h;
    for (const bool on : {true, false}) {
      loop().call_soon([&, on] {
        loop().set_debug(on);
        trace(on ? "on" : "off");
      });
      loop().call_soon(note("behind it"));
      trace("main suspends");
      sleep(0s);
      trace("main goes on");
      await(create_task([&] { trace("child"); }));
    }
  });
  EXPECT_EQ(events, (Trace{"main suspends", "on", "behind it", "main goes on", "child", "main suspends", "off",
                           "behind it", "main goes on", "child"}));
}

TEST_F(CallbackTest, MaySetATracerWhichSeesTheRestOfTheTurn) {
  struct Recorder final : coir::Tracer {
    void on_event(const coir::TraceEvent& event) override {
      lines.push_back(std::string(to_string(event.kind)) + (event.task ? " " + event.task.get_name() : "") +
                      (*event.name != '\0' ? std::string(" ") + event.name : ""));
    }
    Trace lines;
  } recorder;
  run([&] {
    loop().call_soon([&] { loop().set_tracer(&recorder); }, "sets");
    loop().call_soon([] {}, "behind it");
    sleep(0s);
    loop().call_soon([&] { loop().set_tracer(nullptr); }, "takes back");
    loop().call_soon([] {}, "unseen");
    sleep(0s);
  });
  EXPECT_EQ(recorder.lines, (Trace{"callback_runs behind it", "step_runs main", "yields main",
                                   "callback_runs takes back"}));
}

}  // namespace
}  // namespace shop_test
