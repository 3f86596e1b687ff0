// SPDX-License-Identifier: MIT
// Every host that can run inside of its own callbacks: modal dialogs, from all sides.
#include "host_test.hpp"

#include <coir/on_main.hpp>

namespace coir::test {
namespace {

class Nested : public HostTest {
 protected:
  void SetUp() override {
    if (!host->can_nest()) GTEST_SKIP() << "this host refuses to run inside of its own callbacks";
    HostTest::SetUp();
  }
  /// Open until the task has ended.
  void show_dialog(const AnyFuture& until) {
    trace("opens");
    host->run_nested([&] { return until.done(); });
    trace("closes");
  }
  /// A task that makes progress for some milliseconds.
  Task<void> start_other() {
    return loop->create_task([this] {
      for (const char* step : {"1", "2", "3"}) {
        sleep(2ms);
        trace(step);
      }
    });
  }
};
INSTANTIATE_TEST_SUITE_P(, Nested, ::testing::ValuesIn(host_factories()), name_of_host);

TEST_P(Nested, FromACallbackOfTheHost) {
  host->call_later(1, [&] {
    show_dialog(start_other());
    host->quit();
  });
  host->run();
  EXPECT_EQ(events, (Trace{"opens", "1", "2", "3", "closes"}));
}

TEST_P(Nested, FromACallbackOfTheLoop) {
  loop->call_later(1ms, [&] {
    show_dialog(start_other());
    host->quit();
  });
  host->run();
  EXPECT_EQ(events, (Trace{"opens", "1", "2", "3", "closes"}));
}

TEST_P(Nested, FromATaskOnMain) {
  run_task([&] {
    auto other = start_other();
    on_main([&] { show_dialog(other); });
    trace("answered");
  });
  EXPECT_EQ(events, (Trace{"opens", "1", "2", "3", "closes", "answered"}));
}

TEST_P(Nested, FromATaskOnItsOwnStack) {  // advised against, and works
  run_task([&] {
    show_dialog(start_other());
    sleep(1ms);
    trace("goes on");
  });
  EXPECT_EQ(events, (Trace{"opens", "1", "2", "3", "closes", "goes on"}));
}

TEST_P(Nested, DialogsInsideOfDialogs) {
  run_task([&] {
    auto inner = create_task([&] {
      sleep(2ms);
      auto other = start_other();
      on_main([&] { show_dialog(other); });
      trace("inner");
    });
    on_main([&] { show_dialog(inner); });
    trace("outer");
  });
  EXPECT_EQ(events, (Trace{"opens", "opens", "1", "2", "3", "closes", "inner", "closes", "outer"}));
}

TEST_P(Nested, CallbacksOfTheHostInADialogReachTheLoop) {
  run_task([&] {
    auto pressed = loop->create_future<void>();
    auto handler = create_task([&] {
      await(pressed);
      trace("handled");
    });
    on_main([&] {
      host->call_later(3, [&] { pressed.set_result(); });
      show_dialog(handler);
    });
  });
  EXPECT_EQ(events, (Trace{"opens", "handled", "closes"}));
}

}  // namespace
}  // namespace coir::test
