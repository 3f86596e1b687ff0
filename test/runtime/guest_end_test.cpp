// SPDX-License-Identifier: MIT
// How a guest comes and goes, and what is refused meanwhile.
#include "guest_test.hpp"

#include <coir/from_callback.hpp>

#include <signal.h>

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
  expect_reported({"detach(): a task did not end when it was cancelled, and its time is over. It waits on sleep "
                   "created at "});
  ASSERT_EQ(subjects.size(), 1U);
  EXPECT_NE(subjects[0].find("Task 'stubborn' created at"), std::string::npos) << subjects[0];
  EXPECT_NE(subjects[0].find("in coir::test::"), std::string::npos) << subjects[0];
  EXPECT_FALSE(task.done());
  run_ready();  // it is still there, in a loop that runs by itself
  EXPECT_EQ(events, (Trace{"end"}));
}

TEST_F(GuestEndTest, ASurvivorsMessageSaysWhoseLoopHasToRun) {
  std::optional<Completion<int>> foreign;
  auto task = loop().create_task([&] {
    return from_callback<int>([&](auto done) {
      foreign = std::move(done);
      return [] { return Cancel::will_fire; };
    });
  });
  pump_while_readable();
  detach();
  EXPECT_FALSE(task.done());
  expect_reported({"detach(): a task did not end when it was cancelled, and its time is over. It waits on "
                   "from_callback created at guest_end_test.cpp:"});
  EXPECT_NE(reports.at(0).find("detach() runs this loop alone, not the host's: if the host has to end that wait, run the "
                               "host's loop until the tasks have ended, and detach then (docs/embedding_hosts.md, \"Who "
                               "ends first\")."),
            std::string::npos)
      << reports.at(0);
  (*foreign)(42);  // what the host would have done
  run_ready();
  EXPECT_TRUE(task.cancelled());
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

TEST_F(GuestEndTest, AHostHasOneGuest) {
  std::thread([this] {
    EventLoop other(LoopOptions{.clock = &clock});
    expect_usage_error(Reason::loop_is_running, "attach(): this Host has a guest already", [&] { other.attach(host); });
    EXPECT_FALSE(other.is_running());
  }).join();
  pump();
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

TEST_F(GuestEndTest, NoSignalHandlerIsInstalledButThatForStackOverflows) {  // contract 8
  detach();
  const ChildResult child = in_child([] {
    const auto handlers = [] {
      std::vector<void (*)(int)> all;
      for (int sig = 1; sig < NSIG; ++sig) {
        struct sigaction action {};
        if (sig != SIGSEGV && ::sigaction(sig, nullptr, &action) == 0) all.push_back(action.sa_handler);
      }
      return all;
    };
    const auto before = handlers();
    EventLoop other;
    Host its_host;
    const Attachment its_attachment(other, its_host);
    auto task = other.create_task([] {});
    other.pump();
    return task.done() && handlers() == before ? 0 : 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(GuestEndTest, TheChildOfAForkHasNoGuest) {  // contract 10
  auto task = loop().create_task([] { sleep(1h); });
  pump();
  const ChildResult child = in_child([this] {
    const auto forked = [](auto&& fn) {
      try {
        fn();
      } catch (const UsageError& error) {
        return error.reason() == Reason::forked;
      }
      return false;
    };
    if (current_task() || !forked([&] { pump(); }) || !forked([&] { loop().detach(); })) return 1;
    if (!forked([&] { loop().call_soon([] {}); })) return 2;
    return coir::run([] { return sleep(0s, 0); });  // a loop of its own
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
  pump();
  task.cancel();
  pump_while_readable();
  EXPECT_TRUE(task.cancelled());
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
