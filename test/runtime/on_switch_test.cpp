// SPDX-License-Identifier: MIT
// on_switch: a thread-local value that each task has for itself.
#include "runtime_test.hpp"

#include <coir/on_switch.hpp>
#include <coir/sleep.hpp>

namespace coir::test {
namespace {

thread_local std::string prefix;

class OnSwitchTest : public RuntimeTest {
 protected:
  ~OnSwitchTest() override { prefix.clear(); }
  void keep_prefix_apart() {
    on_switch(
        loop(), [] { return prefix; }, [](const std::string& value) { prefix = value; });
  }
};

TEST_F(OnSwitchTest, EachTaskHasItsOwnValueAndTheLoopHasItsOwn) {
  prefix = "outside";
  keep_prefix_apart();
  run([&] {
    std::vector<Task<void>> tasks;
    for (const char* name : {"a", "b", "c"}) {
      tasks.push_back(create_task([this, name] {
        trace(name + (" begins with " + prefix));
        prefix = name;
        for (int i = 0; i < 2; ++i) {
          sleep(i == 0 ? Duration(0) : Duration(1s));
          trace(name + (" has " + prefix));
        }
      }));
    }
    loop().call_soon([&] { trace("callback has " + prefix); });
    for (const auto& task : tasks) await(task);
  });
  EXPECT_EQ(prefix, "outside");
  EXPECT_EQ(events, (Trace{"a begins with outside", "b begins with outside", "c begins with outside",
                           "callback has outside", "a has a", "b has b", "c has c", "a has a", "b has b", "c has c"}));
}

TEST_F(OnSwitchTest, AddedInsideATaskItHoldsFromThereOn) {
  run([&] {
    auto other = create_task([&] {
      prefix = "other, before";
      sleep(1s);
      trace("other has " + prefix);
    });
    sleep(0s);
    keep_prefix_apart();
    prefix = "main";
    await(other);
    trace("main has " + prefix);
  });
  // What the other one had set before there was a hook is outside of tasks.
  EXPECT_EQ(events, (Trace{"other has other, before", "main has main"}));
}

TEST_F(OnSwitchTest, AnEagerTaskLeavesItsCreatorsValueAlone) {
  prefix = "outside";
  keep_prefix_apart();
  run([&] {
    prefix = "main";
    auto eager = create_task(
        [&] {
          trace("eager begins with " + prefix);
          prefix = "eager";
          sleep(0s);
          trace("eager has " + prefix);
        },
        {.eager_start = true});
    trace("main has " + prefix);
    await(eager);
    trace("main has " + prefix);
    await(create_task([&] { prefix = "ends at once"; }, {.eager_start = true}));
    trace("main has " + prefix);
  });
  EXPECT_EQ(events, (Trace{"eager begins with outside", "main has main", "eager has eager", "main has main",
                           "main has main"}));
}

TEST_F(OnSwitchTest, HooksOfSeveralKindsWorkSideBySide) {
  thread_local int depth = 0;
  keep_prefix_apart();
  on_switch(
      loop(), [] { return depth; }, [](int value) { depth = value; });
  run([&] {
    auto task = create_task([&] {
      prefix = "task";
      depth = 5;
      sleep(0s);
      EXPECT_EQ(prefix + std::to_string(depth), "task5");
    });
    sleep(0s);
    EXPECT_EQ(prefix + std::to_string(depth), "0");
    await(task);
  });
  EXPECT_EQ(depth, 0);
}

TEST_F(OnSwitchTest, WhatAHookThrowsIsReportedAndTheTaskRunsOn) {
  on_switch(
      loop(), []() -> int { throw std::runtime_error("hook"); }, [](int) {});
  run([&] { sleep(0s); });
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports[0], "Exception in a save or restore of on_switch(): std::runtime_error: hook");
  expected_reports = reports;
}

TEST_F(OnSwitchTest, AClosedLoopTakesNone) {
  loop().close();
  expect_usage_error(Reason::loop_is_closed, "on_switch()", [&] { keep_prefix_apart(); });
}

}  // namespace
}  // namespace coir::test
