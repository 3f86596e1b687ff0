// SPDX-License-Identifier: MIT
// The iteration contract of a guest (EMBEDDING 1.3): ticks, budgets, and what makes the descriptor readable.
#include "guest_test.hpp"

namespace coir::test {
namespace {

using PumpTest = GuestTest;

TEST_F(PumpTest, ATickRunsWhatWasReadyWhenItBegan) {  // contract 1
  loop().call_soon([this] {
    trace("first");
    loop().call_soon(note("later"));
  });
  loop().call_soon(note("second"));
  const PumpResult one = pump();
  EXPECT_EQ(events, (Trace{"first", "second"}));
  EXPECT_EQ(one.ran, 2U);
  EXPECT_TRUE(one.more);
  EXPECT_EQ(one.next_deadline, TimePoint::min());

  const PumpResult two = pump();
  EXPECT_EQ(events, (Trace{"first", "second", "later"}));
  EXPECT_EQ(two.ran, 1U);
  EXPECT_FALSE(two.more);
  EXPECT_EQ(two.next_deadline, TimePoint::max());
}

TEST_F(PumpTest, ATickTakesDueTimersAndDescriptorsAndPosts) {  // contract 1
  DescriptorPair pipe(make_pipe());
  loop().add_reader(pipe[0], [&] {
    take(pipe[0]);
    trace("reader");
  });
  loop().call_later(1s, note("timer"));
  pump();
  EXPECT_EQ(loop().next_deadline(), TimePoint{} + 1s);
  put(pipe[1]);
  clock.advance(1s);
  std::thread([this] { loop().call_soon_threadsafe(note("post")); }).join();
  loop().call_soon(note("soon"));
  EXPECT_EQ(pump().ran, 4U);
  EXPECT_EQ(events, (Trace{"soon", "reader", "post", "timer"}));
  EXPECT_TRUE(loop().remove_reader(pipe[0]));
}

TEST_F(PumpTest, TasksRunAndSwitchAsEver) {
  const auto talk = [this](const char* name) {
    for (int i = 0; i < 3; ++i) {
      trace(name + std::to_string(i));
      sleep(0s);
    }
  };
  auto a = loop().create_task([&] { talk("a"); });
  auto b = loop().create_task([&] { talk("b"); });
  pump();
  EXPECT_EQ(events, (Trace{"a0", "b0"}));
  run_host();
  EXPECT_EQ(events, (Trace{"a0", "b0", "a1", "b1", "a2", "b2"}));
  EXPECT_TRUE(a.done() && b.done());
}

TEST_F(PumpTest, TheDescriptorIsReadableWhileThereIsSomethingToDo) {
  EXPECT_FALSE(readable());
  loop().call_soon([this] { loop().call_soon(note("second")); });
  EXPECT_TRUE(readable());
  pump();
  EXPECT_TRUE(readable());  // "second" is left
  pump();
  EXPECT_FALSE(readable());
  EXPECT_EQ(events, (Trace{"second"}));
}

TEST_F(PumpTest, WhatTheHostsCallbacksCallTakesEffect) {  // contract 4
  DescriptorPair pipe(make_pipe());
  put(pipe[1]);
  auto future = loop().create_future<int>();
  auto sleeper = loop().create_task([] { sleep(1h); });
  auto waiter = loop().create_task([&, future] { trace(std::to_string(await(future))); });
  pump_while_readable();
  const auto wakes = [&](const char* what, const std::function<void()>& fn) {
    EXPECT_FALSE(readable()) << "before " << what;
    fn();
    EXPECT_TRUE(readable()) << what;
    pump_while_readable();
  };
  wakes("call_soon", [&] { loop().call_soon(note("soon")); });
  wakes("an earlier timer", [&] { loop().call_later(1s, note("timer")); });
  EXPECT_EQ(loop().next_deadline(), TimePoint{} + 1s);
  wakes("a future", [&] { future.set_result(42); });
  wakes("cancel", [&] { sleeper.cancel(); });
  wakes("add_reader", [&] {
    loop().add_reader(pipe[0], [&] {
      take(pipe[0]);
      trace("read");
    });
  });
  wakes("create_task", [&] { static_cast<void>(loop().create_task([this] { trace("task"); })); });
  wakes("an eager task that sleeps", [&] {
    static_cast<void>(loop().create_task([] { sleep(0.5s); }, TaskOptions{.eager_start = true}));
  });
  EXPECT_EQ(loop().next_deadline(), TimePoint{} + 500ms);
  EXPECT_TRUE(loop().remove_reader(pipe[0]));
  run_host();
  EXPECT_TRUE(sleeper.cancelled());
  EXPECT_EQ(events, (Trace{"soon", "42", "read", "task", "timer"}));
}

TEST_F(PumpTest, ATickGivesTheHostItsTurnAfterAThousandHandles) {  // contract 3
  int ran = 0;
  for (int i = 0; i < 2500; ++i) loop().call_soon([&] { ++ran; });
  EXPECT_EQ(pump().ran, 1000U);
  EXPECT_EQ(ran, 1000);
  EXPECT_TRUE(readable());
  loop().call_soon([&] { EXPECT_EQ(ran, 2500); });  // behind those that wait
  EXPECT_EQ(pump().ran, 1000U);
  const PumpResult last = pump();
  EXPECT_EQ(last.ran, 500U);
  EXPECT_TRUE(last.more);
  EXPECT_EQ(pump().ran, 1U);
  EXPECT_FALSE(readable());
}

TEST_F(PumpTest, ATickGivesTheHostItsTurnAfterFiveMilliseconds) {  // contract 3
  for (int i = 0; i < 40; ++i) loop().call_soon([&] { clock.advance(2ms); });
  EXPECT_LE(pump().ran, 7U);  // 1 + 2 + 4
  EXPECT_EQ(pump({.handles = 3, .time = 1h}).ran, 3U);
  EXPECT_EQ(pump({.handles = 100, .time = 1ms}).ran, 1U);
  run_host();
}

TEST_F(PumpTest, ANestedTickGoesOnWithWhatTheOuterOneHasLeft) {  // contract 2; 1.4
  for (int i = 0; i < 20; ++i) {
    loop().call_soon([this, i] {
      trace(std::to_string(i));
      if (i != 2) return;
      trace("(");
      const PumpResult nested = pump({.handles = 10});
      EXPECT_EQ(nested.ran, 10U);
      EXPECT_TRUE(nested.more);
      trace(")");
    });
  }
  EXPECT_EQ(pump().ran, 20U);
  EXPECT_EQ(events, (Trace{"0",  "1",  "2", "(",  "3",  "4",  "5",  "6",  "7",  "8",  "9",
                           "10", "11", "12", ")", "13", "14", "15", "16", "17", "18", "19"}));
  EXPECT_FALSE(readable());
}

TEST_F(PumpTest, ANestedHostLoopRunsWhateverBecomesReady) {  // 1.4: from our callback
  loop().call_soon([this] {
    trace("dialog opens");
    bool closed = false;
    loop().call_later(1s, [&] { closed = true; });
    auto task = loop().create_task([this] {
      sleep(100ms);
      trace("task");
    });
    while (!closed) {
      pump_while_readable();
      if (!closed) clock.jump_to(loop().next_deadline()), pump();
    }
    EXPECT_TRUE(task.done());
    trace("dialog closes");
  });
  loop().call_soon(note("the next"));
  run_host();
  EXPECT_EQ(events, (Trace{"dialog opens", "the next", "task", "dialog closes"}));
}

TEST_F(PumpTest, ATaskThatRunsTheHostsLoopStandsStillAndTheOthersGoOn) {  // 1.4: from a task
  auto other = loop().create_task([this] {
    for (int i = 0; i < 3; ++i) {
      trace("other " + std::to_string(i));
      sleep(0s);
    }
  });
  auto modal = loop().create_task([&] {
    const AnyTask self = current_task();
    trace("opens");
    loop().call_soon([] { EXPECT_FALSE(current_task()) << "contract 6"; });
    while (!other.done()) pump();
    EXPECT_EQ(current_task(), self);  // contract 6
    trace("closes");
    sleep(1ms);
    trace("ends");
  });
  run_host();
  EXPECT_TRUE(modal.done());
  EXPECT_EQ(events, (Trace{"other 0", "opens", "other 1", "other 2", "closes", "ends"}));
}

TEST_F(PumpTest, TasksThatRunTheHostsLoopInsideOfEachOtherUnwindInTurn) {  // 1.4: LIFO
  const auto modal = [this](const char* name, int pumps) {
    trace(std::string(name) + " opens");
    for (int i = 0; i < pumps; ++i) pump();
    trace(std::string(name) + " closes");
    sleep(1ms);
    trace(std::string(name) + " ends");
  };
  auto a = loop().create_task([&] { modal("a", 3); });
  auto b = loop().create_task([&] { modal("b", 2); });
  auto c = loop().create_task([&] { modal("c", 1); });
  run_host();
  EXPECT_TRUE(a.done() && b.done() && c.done());
  EXPECT_EQ(events, (Trace{"a opens", "b opens", "c opens", "c closes", "b closes", "a closes", "c ends", "b ends",
                           "a ends"}));
}

TEST_F(PumpTest, NothingThatIsThrownLeavesIt) {  // contract 7
  loop().call_soon([] { throw std::runtime_error("boom"); });
  auto task = loop().create_task([] { throw std::runtime_error("of a task"); });
  EXPECT_EQ(pump().ran, 2U);
  EXPECT_THROW(task.result(), std::runtime_error);
  expect_reported({"Exception in callback handle scheduled at "});
}

TEST_F(PumpTest, ASystemExitStopsTheLoopAndLeavesDetach) {  // contract 7
  DescriptorPair pipe(make_pipe());
  put(pipe[1]);
  loop().add_reader(pipe[0], note("read"));
  loop().call_soon([] { throw SystemExit("enough"); });
  loop().call_soon(note("not now"));
  EXPECT_FALSE(pump().more);
  EXPECT_EQ(host.stops, 1);
  EXPECT_FALSE(host.held);
  loop().call_soon(note("not now either"));
  EXPECT_FALSE(readable());
  EXPECT_EQ(pump().ran, 0U);
  EXPECT_EQ(events, Trace{});
  EXPECT_EQ(ending_of([this] { detach(); }), "coir::SystemExit: enough");
  attachment.reset();
  EXPECT_TRUE(loop().remove_reader(pipe[0]));
  run_ready();
  EXPECT_EQ(events, (Trace{"not now", "not now either"}));
}

TEST_F(PumpTest, AKeyboardInterruptInANestedTickEndsTheOuterOneToo) {
  loop().call_soon([this] {
    loop().call_soon([] { throw KeyboardInterrupt("nested"); });
    EXPECT_EQ(pump().ran, 2U);
    EXPECT_EQ(pump().ran, 1U);  // which throws
    EXPECT_EQ(pump().ran, 0U);
  });
  loop().call_soon(note("nested"));
  loop().call_soon([this] { loop().call_soon(note("never")); });
  EXPECT_FALSE(pump().more);
  EXPECT_EQ(host.stops, 1);
  EXPECT_EQ(ending_of([this] { detach(); }), "coir::KeyboardInterrupt: nested");
  attachment.reset();
  run_ready();
  EXPECT_EQ(events, (Trace{"nested", "never"}));
}

TEST_F(PumpTest, AnExitThatNobodyAsksForIsReported) {
  loop().call_soon([] { throw SystemExit("enough"); });
  pump();
  attachment.reset();
  expect_reported({"an event loop was detached from its host: coir::SystemExit: enough"});
}

TEST_F(PumpTest, StopMakesTheHostReturnAndTheLoopGoesOnIfTheHostDoes) {
  loop().call_soon([this] { loop().stop(); });
  loop().call_soon(note("same tick"));
  pump();
  EXPECT_EQ(host.stops, 1);
  EXPECT_FALSE(readable());
  loop().stop();  // by a callback of the host
  EXPECT_TRUE(readable());
  pump();
  EXPECT_EQ(host.stops, 2);
  loop().call_soon(note("goes on"));
  pump();
  EXPECT_EQ(host.stops, 2);
  EXPECT_EQ(events, (Trace{"same tick", "goes on"}));
}

TEST_F(PumpTest, TheHostIsHeldWhileThereIsSomethingToWaitFor) {
  DescriptorPair pipe(make_pipe());
  EXPECT_FALSE(host.held);
  auto timer = loop().call_later(1s, [] {});
  EXPECT_TRUE(host.held);
  pump();
  EXPECT_TRUE(host.held);
  timer.cancel();
  pump_while_readable();
  EXPECT_FALSE(host.held);
  auto task = loop().create_task([] { sleep(1h); });
  pump_while_readable();
  EXPECT_TRUE(host.held);
  task.cancel();
  run_host();
  EXPECT_FALSE(host.held);
  loop().add_reader(pipe[0], [] {});
  EXPECT_TRUE(host.held);
  EXPECT_TRUE(loop().remove_reader(pipe[0]));
  pump_while_readable();
  EXPECT_FALSE(host.held);
}

TEST_F(PumpTest, ASeedStillDecidesTheOrder) {
  detach();
  make_loop({.seed = 7});
  attach();
  const auto order = [this] {
    events.clear();
    for (int i = 0; i < 50; ++i) static_cast<void>(loop().create_task([this, i] { trace(std::to_string(i)); }));
    run_host();
    return events;
  };
  const Trace shuffled = order();
  EXPECT_EQ(shuffled.size(), 50U);
  EXPECT_NE(shuffled[0] + shuffled[1] + shuffled[2] + shuffled[3], "0123");
}

}  // namespace
}  // namespace coir::test
