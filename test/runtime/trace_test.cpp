// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <coir/trace.hpp>

namespace coir::test {
namespace {

/// Records each event as "kind task/name".
class Recorder final : public Tracer {
 public:
  void on_event(const TraceEvent& event) override {
    std::string line = to_string(event.kind);
    if (event.task) line.append(" ").append(event.task.get_name());
    if (*event.name != '\0') line.append(" ").append(event.name);
    lines.push_back(line);
  }
  Trace lines;
};

class TraceTest : public RuntimeTest {};

TEST_F(TraceTest, AnAwaitOfATaskShowsEveryStepInOrder) {
  Recorder recorder;
  loop().set_tracer(&recorder);
  auto outer = loop().create_task(
      [] { await(create_task([] { sleep(0s); }, TaskOptions{.name = "inner"})); }, TaskOptions{.name = "outer"});
  run_ready();
  loop().set_tracer(nullptr);
  EXPECT_EQ(recorder.lines,
            (Trace{"task_created outer", "step_runs outer", "task_created inner", "blocks_on outer",
                   "wakeup_added outer", "step_runs inner", "yields inner", "step_runs inner", "task_done inner",
                   "wakeup_runs outer", "unblocks outer", "task_done outer"}));
}

TEST_F(TraceTest, TimersCallbacksAndFuturesShowTheirNames) {
  Recorder recorder;
  auto future = loop().create_future<void>();
  loop().set_tracer(&recorder);
  future.add_done_callback([] {}, "done");
  loop().call_later(1s, [&] { future.set_result(); }, "timer");
  loop().call_soon([] {}, "soon");
  run_ready();
  loop().stop();
  loop().set_tracer(nullptr);
  loop().run_forever();
  EXPECT_EQ(recorder.lines, (Trace{"callback_added done", "timer_added timer", "callback_runs soon",
                                   "callback_runs timer", "future_done Future", "callback_runs done", "stop"}));
}

TEST_F(TraceTest, ASleepShowsItsFutureAndItsTimer) {
  Recorder recorder;
  loop().set_tracer(&recorder);
  auto task = loop().create_task([] { sleep(1s); }, TaskOptions{.name = "t"});
  run_ready();
  loop().set_tracer(nullptr);
  EXPECT_EQ(recorder.lines,
            (Trace{"task_created t", "step_runs t", "future_created sleep", "timer_added sleep", "blocks_on t",
                   "wakeup_added t", "callback_runs sleep", "future_done sleep", "wakeup_runs t", "unblocks t",
                   "task_done t"}));
}

TEST_F(TraceTest, ATaskThatIsCancelledBeforeItsFirstStepIsDoneWithoutAStep) {  // T1
  Recorder recorder;
  loop().set_tracer(&recorder);
  auto task = loop().create_task([] {}, TaskOptions{.name = "t"});
  task.cancel();
  run_ready();
  loop().set_tracer(nullptr);
  EXPECT_EQ(recorder.lines, (Trace{"task_created t", "task_done t"}));
}

TEST_F(TraceTest, EventsNameTheFutureThatATaskBlocksOn) {
  struct Blocks final : Tracer {
    void on_event(const TraceEvent& event) override {
      if (event.kind == TraceEvent::Kind::blocks_on) blocked_on = event.future;
    }
    AnyFuture blocked_on;
  } blocks;
  auto future = loop().create_future<int>();
  auto task = loop().create_task([&] { return await(future); });
  loop().set_tracer(&blocks);
  run_ready();
  EXPECT_EQ(blocks.blocked_on, future);
  blocks.blocked_on = {};
  loop().set_tracer(nullptr);
  future.set_result(1);
  run_ready();
  EXPECT_EQ(task.result(), 1);
}

TEST_F(TraceTest, TheOrderOfEffectsIsTheSameWithAndWithoutATracer) {
  const auto program = [this] {
    events.clear();
    run([&] {
      std::vector<Task<void>> tasks;
      for (int i = 0; i < 3; ++i) {
        tasks.push_back(create_task([this, i] {
          for (int round = 0; round < i + 1; ++round) {
            trace(std::to_string(i).append(" in round ").append(std::to_string(round)));
            sleep(std::chrono::seconds(i % 2));
          }
        }));
        loop().call_soon(note("callback"));
      }
      for (auto& task : tasks) await(task);
    });
    return events;
  };
  const Trace plain = program();
  Recorder recorder;
  loop().set_tracer(&recorder);
  const Trace traced = program();
  loop().set_tracer(nullptr);
  EXPECT_EQ(plain, traced);
}

TEST_F(TraceTest, EveryKindHasAName) {
  EXPECT_STREQ(to_string(TraceEvent::Kind::task_created), "task_created");
  EXPECT_STREQ(to_string(TraceEvent::Kind::stop), "stop");
}

}  // namespace
}  // namespace coir::test
