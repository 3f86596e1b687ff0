// SPDX-License-Identifier: MIT
// How a guest comes and goes, and what is refused meanwhile.
#include "guest_test.hpp"

namespace coir::test {
namespace {

using GuestEndTest = GuestTest;

TEST_F(GuestEndTest, DetachCancelsAllTasksAndRunsThemToTheirEnd) {  // contract 9
  auto task = loop().create_task([this] {
    try {
      sleep(1h);
    } catch (const CancelledError&) {
      trace("cancelled");
      sleep(1s);  // clean-up takes turns and time
      trace("cleaned up");
      static_cast<void>(create_task([this] {
        try {
          sleep(1h);
        } catch (const CancelledError&) {
          trace("late-comer cancelled");
          throw;
        }
      }));
      sleep(0s);
      throw;
    }
  });
  pump_while_readable();
  detach();
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ(events, (Trace{"cancelled", "cleaned up", "late-comer cancelled"}));
  EXPECT_FALSE(loop().is_running());
  EXPECT_FALSE(host.held);
}

TEST_F(GuestEndTest, WhatAnEndingTaskThrowsIsReported) {
  auto task = loop().create_task([] {
    try {
      sleep(1h);
    } catch (const CancelledError&) {
      throw std::runtime_error("in clean-up");
    }
  });
  pump_while_readable();
  detach();
  expect_reported({"unhandled exception during detach(): std::runtime_error: in clean-up"});
}

TEST_F(GuestEndTest, SurvivorsAreNamedWithTheirStacks) {  // contract 9
  auto task = loop().create_task([&] {
    for (int i = 0; i < 3; ++i) {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
      }
    }
    trace("end");
  }, TaskOptions{.name = "stubborn"});
  pump_while_readable();
  const TimePoint begun = clock.now();
  attachment->detach(3s);
  attachment.reset();
  EXPECT_EQ(clock.now() - begun, 3s);
  expect_reported({"detach(): a task did not end when it was cancelled, and its time is over."});
  ASSERT_EQ(subjects.size(), 1U);
  EXPECT_NE(subjects[0].find("Task 'stubborn' created at"), std::string::npos) << subjects[0];
  EXPECT_NE(subjects[0].find("in coir::test::"), std::string::npos) << subjects[0];
  EXPECT_FALSE(task.done());
  run_ready();  // it is still there, in a loop that runs by itself
  EXPECT_EQ(events, (Trace{"end"}));
}

TEST_F(GuestEndTest, ALoopMayComeAndGo) {
  for (int i = 0; i < 3; ++i) {
    loop().call_soon(note("guest"));
    pump();
    detach();
    loop().run_until_complete([this] {
      sleep(1s);
      trace("alone");
    });
    attach();
  }
  EXPECT_EQ(events, (Trace{"guest", "alone", "guest", "alone", "guest", "alone"}));
}

TEST_F(GuestEndTest, WhatIsReadyBeforeItIsAttachedRuns) {
  detach();
  loop().call_soon(note("ready"));
  attachment.emplace(loop(), host);
  EXPECT_TRUE(host.held);
  EXPECT_TRUE(readable());
  pump();
  EXPECT_EQ(events, (Trace{"ready"}));
}

TEST_F(GuestEndTest, WhatABudgetLeftIsNotLost) {
  for (int i = 0; i < 5; ++i) loop().call_soon(note(std::to_string(i)));
  EXPECT_EQ(pump({.handles = 2}).ran, 2U);
  loop().call_soon(note("5"));
  detach();
  run_ready();
  EXPECT_EQ(events, (Trace{"0", "1", "2", "3", "4", "5"}));
}

TEST_F(GuestEndTest, ALoopWithoutAHostIsNotPumped) {
  detach();
  expect_usage_error(Reason::not_attached, "pump(): this event loop has no host. Call attach()", [&] { pump(); });
  expect_usage_error(Reason::not_attached, "detach(): this event loop has no host", [&] { loop().detach(); });
}

TEST_F(GuestEndTest, AGuestIsPumpedOnItsThread) {
  std::thread([&] {
    expect_usage_error(Reason::wrong_thread, "call_soon_threadsafe() makes the host pump it", [&] { pump(); });
  }).join();
}

TEST_F(GuestEndTest, AGuestRunsAlready) {
  RecordingHost second;
  EventLoop other(LoopOptions{.clock = &clock});
  EXPECT_TRUE(loop().is_running());
  EXPECT_EQ(&get_running_loop(), &loop());
  expect_usage_error(Reason::loop_is_running, "attach(): This event loop is already running, as the guest of a host",
                     [&] { loop().attach(second); });
  expect_usage_error(Reason::loop_is_running, "already running, as the guest of a host", [&] { loop().run_forever(); });
  expect_usage_error(Reason::loop_is_running, "while another loop is running", [&] { other.attach(second); });
  expect_usage_error(Reason::loop_is_running, "run() called inside a callback of the host", [] { coir::run([] {}); });
  expect_usage_error(Reason::loop_is_running, "It is attached to a host: detach() it", [&] { loop().close(); });
}

TEST_F(GuestEndTest, AHostsCallbackIsNoTask) {
  expect_usage_error(Reason::outside_task, "sleep() inside a callback of the host: it runs on the loop's own stack",
                     [] { sleep(1s); });
}

TEST_F(GuestEndTest, NobodyDetachesWhatRunsHim) {
  bool checked = false;
  loop().call_soon([&] {
    expect_usage_error(Reason::loop_is_running, "detach() inside pump()", [&] { loop().detach(); });
    checked = true;
  });
  pump();
  EXPECT_TRUE(checked);
}

using GuestEndDeathTest = GuestEndTest;

TEST_F(GuestEndDeathTest, ALoopDestroyedBeforeItIsDetached) {
  detach();  // the child of a fork has no use for an attached loop
  EXPECT_DEATH(
      {
        EventLoop other;
        other.attach(host);
      },
      "an EventLoop destroyed while it runs, or before it is detached from its host");
}

}  // namespace
}  // namespace coir::test
