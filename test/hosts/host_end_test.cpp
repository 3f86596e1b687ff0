// SPDX-License-Identifier: MIT
// Every host: who ends first, and what becomes of the tasks.
#include "host_test.hpp"

#include <cstdlib>

namespace {
bool exits_in_a_task = false;
}
#if defined(__SANITIZE_ADDRESS__)
/// As in process_exit_test.cpp.
extern "C" int __lsan_is_turned_off() { return exits_in_a_task ? 1 : 0; }
#endif

namespace coir::test {
namespace {

using HostEnds = HostTest;
INSTANTIATE_TEST_SUITE_P(, HostEnds, ::testing::ValuesIn(host_factories()), name_of_host);

TEST_P(HostEnds, TheLoopIsDetachedAndTheHostGoesOn) {
  run_task([] { sleep(1ms); });
  auto left = loop->create_task([&] {
    try {
      sleep(1h);
    } catch (const CancelledError&) {
      sleep(1ms);
      trace("cleaned up");
      throw;
    }
  });
  host->call_later(1, [&] { host->quit(); });
  host->run();
  host->detach();
  EXPECT_TRUE(left.cancelled());
  host->call_later(1, [&] {
    trace("host goes on");
    host->quit();
  });
  host->run();
  EXPECT_EQ(events, (Trace{"cleaned up", "host goes on"}));
}

TEST_P(HostEnds, TheLoopIsDetachedByACallbackOfTheHost) {
  auto left = loop->create_task([] { sleep(1h); });
  host->call_later(5, [&] { host->detach(); });
  host->call_later(15, [&] {
    EXPECT_TRUE(left.cancelled());
    trace("host goes on");
    host->quit();
  });
  host->run();
  EXPECT_EQ(events, (Trace{"host goes on"}));
}

TEST_P(HostEnds, TheHostQuitsEarlyAndTheLoopIsDrained) {
  auto left = loop->create_task([&] {
    try {
      sleep(1h);
    } catch (const CancelledError&) {
      sleep(1ms);
      trace("cleaned up");
      throw;
    }
  });
  host->call_later(5, [&] { host->quit(); });
  host->run();
  EXPECT_FALSE(left.done());
  host->drop();
  EXPECT_TRUE(left.cancelled());
  EXPECT_EQ(events, (Trace{"cleaned up"}));
  EXPECT_FALSE(loop->is_running());
}

TEST_P(HostEnds, TheHostIsGoneBeforeTheLoopIs) {
  host->call_later(1, [&] { host->quit(); });
  host->run();
  host.reset();
  EXPECT_EQ(loop->run_until_complete([] {
    sleep(1ms);
    return 42;
  }), 42);
  host = GetParam().make();
  host->attach(*loop);
  run_task([] { sleep(1ms); });
}

TEST_P(HostEnds, WhatLeavesTheLoopIsThrownByDetach) {
  auto task = loop->create_task([] {
    sleep(1ms);
    throw SystemExit("enough");
  });
  host->run();  // ended by the adapter
  try {
    host->detach();
    ADD_FAILURE() << "detach() returned";
  } catch (const SystemExit& exit) {
    EXPECT_EQ(exit.message(), "enough");
  }
  EXPECT_EQ(describe(task.exception()), "coir::SystemExit: enough");
}

TEST_P(HostEnds, NobodyRunsTheHostAndStillNothingIsLost) {
  auto task = loop->create_task([&] { trace("never begins"); });
  host->drop();
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ(events, Trace{});
}

[[noreturn]] void exit_in_a_task(const HostFactory& factory) {
  static EventLoop loop;
  static const auto driver = factory.make();
  driver->attach(loop);
  exits_in_a_task = true;
  auto task = loop.create_task([] {
    sleep(1ms);
    std::exit(7);
  });
  driver->run();
  std::exit(8);
}

using HostEndsDeathTest = HostEnds;
INSTANTIATE_TEST_SUITE_P(, HostEndsDeathTest, ::testing::ValuesIn(host_factories()), name_of_host);

TEST_P(HostEndsDeathTest, ExitInATaskEndsTheProgram) {
  host->drop();  // the child of a fork has no use for an attached loop
  EXPECT_EXIT(exit_in_a_task(GetParam()), ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace coir::test
