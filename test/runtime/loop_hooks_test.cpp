// SPDX-License-Identifier: MIT
// add_prepare() and add_check(): what a foreign loop needs to be our guest.
#include "guest_test.hpp"

namespace coir::test {
namespace {

using LoopHooksTest = DescriptorTest;

TEST_F(LoopHooksTest, APrepareHookBoundsTheSleep) {
  TimePoint wanted = TimePoint{} + 1s;
  auto prepare = loop().add_prepare([&] {
    trace("prepare at " + std::to_string(elapsed_ms()));
    return wanted;
  });
  auto check = loop().add_check([&] {
    trace("check at " + std::to_string(elapsed_ms()));
    if (clock.now() >= wanted) wanted = TimePoint::max();
  });
  run([] { sleep(3s); });
  EXPECT_EQ(events, (Trace{"prepare at 0", "check at 1000", "prepare at 1000", "check at 3000"}));
  prepare.cancel();
  check.cancel();
}

TEST_F(LoopHooksTest, WhatAPrepareHookSchedulesIsNotSleptOver) {
  bool once = true;
  auto prepare = loop().add_prepare([&] {
    if (std::exchange(once, false)) loop().call_soon(note("scheduled at " + std::to_string(elapsed_ms())));
    return TimePoint::max();
  });
  auto check = loop().add_check([&] { trace("check at " + std::to_string(elapsed_ms())); });
  run([] { sleep(3s); });
  EXPECT_EQ(events, (Trace{"check at 0", "scheduled at 0", "check at 3000"}));
  prepare.cancel();
  check.cancel();
}

TEST_F(LoopHooksTest, RunAroundThePollOfABusyLoop) {
  DescriptorPair pipe(make_pipe());
  loop().add_reader(pipe[0], [&] { trace("reader"); });
  auto prepare = loop().add_prepare([&] {
    trace("prepare");
    return TimePoint::max();
  });
  auto check = loop().add_check([&] { trace("check"); });
  run([&] {
    sleep(0s);
    events.clear();
    put(pipe[1]);
    loop().call_soon(note("ready before"));
    sleep(0s);
    trace("task");
    sleep(0s);
    events.resize(5);
    EXPECT_EQ(events, (Trace{"prepare", "check", "ready before", "task", "reader"}));
    EXPECT_TRUE(loop().remove_reader(pipe[0]));
    prepare.cancel();
    check.cancel();
  });
}

TEST_F(LoopHooksTest, MayCancelThemselvesAndFailAndBeAdded) {
  Handle failing, once;
  failing = loop().add_prepare([&]() -> TimePoint {
    failing.cancel();
    throw std::runtime_error("boom");
  }, "failing");
  once = loop().add_check([&] {
    trace("once");
    once.cancel();
    loop().add_check([this, mine = std::make_shared<Handle>()] { trace("added"); });
  });
  run([] { sleep(1s), sleep(1s); });
  EXPECT_EQ(events, (Trace{"once", "added"}));
  expect_reported({"Exception in callback 'failing' scheduled at "});
}

TEST_F(LoopHooksTest, CallablesDieWithTheHandleOrTheLoop) {
  auto cancelled = loop().add_check([dies = on_destruction(note("cancelled one"))] {});
  loop().add_prepare([dies = on_destruction(note("left one"))] { return TimePoint::max(); });
  cancelled.cancel();
  EXPECT_EQ(events, (Trace{"cancelled one"}));
  loop().close();
  EXPECT_EQ(events, (Trace{"cancelled one", "left one"}));
}

TEST_F(GuestTest, TheHooksOfAGuestRunAroundTheHostsSleep) {
  auto prepare = loop().add_prepare([&] {
    trace("prepare");
    return TimePoint{} + 1s;
  });
  auto check = loop().add_check([&] { trace("check"); });
  EXPECT_TRUE(readable());
  EXPECT_TRUE(host.held);
  pump();
  EXPECT_EQ(events, (Trace{"check", "prepare"}));
  EXPECT_FALSE(readable());
  prepare.cancel();
  check.cancel();
}

}  // namespace
}  // namespace coir::test
