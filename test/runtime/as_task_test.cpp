// SPDX-License-Identifier: MIT
#include "bridge_test.hpp"

#include <coir/as_task.hpp>

#include <stdexcept>

namespace coir::test {
namespace {

class AsTaskTest : public BridgeTest {};
COIR_FROM_BOTH_SIDES(AsTaskTest);

TEST_P(AsTaskTest, EachCallIsATaskThatMayAwait) {
  run([&] {
    std::function<void(int, const std::string&)> callback = as_task([&](int n, const std::string& text) {
      trace("begin " + text);
      sleep(std::chrono::milliseconds(n));
      trace("end " + text);
    });
    here([&] {
      callback(2, std::string("a"));
      callback(1, std::string("b"));
      callback = nullptr;  // the tasks keep what they need
    });
    trace("called");
    sleep(5ms);
  });
  EXPECT_EQ(events, (Trace{"called", "begin a", "begin b", "end b", "end a"}));
}

TEST_P(AsTaskTest, TakesMoveOnlyCallablesAndArguments) {
  run([&] {
    auto callback = as_task([this, owned = std::make_unique<int>(3)](std::unique_ptr<int> n) {
      trace(std::to_string(*owned + *n));
    });
    here([&] { callback(std::make_unique<int>(4)); });
    sleep(0s);
    sleep(0s);
  });
  EXPECT_EQ(events, Trace{"7"});
}

TEST_P(AsTaskTest, AFailureIsReported) {
  run([&] {
    auto callback = as_task([] { throw std::out_of_range("inside"); });
    here([&] { callback(); });
    sleep(0s);
    sleep(0s);
  });
  expect_reported({"Task exception was never retrieved"});
}

TEST_P(AsTaskTest, OnceTheLoopIsClosedACallIsCounted) {
  std::function<void()> callback;
  {
    EventLoop real;
    real.call_soon([&] {
      callback = as_task([this] { trace("never"); });
      real.stop();
    });
    real.run_forever();
  }
  here([&] { callback(); });
  EXPECT_EQ(after_close(), 1U);
  EXPECT_TRUE(events.empty());
}

TEST_P(AsTaskTest, NeedsARunningLoop) {
  expect_usage_error(Reason::no_running_loop, "as_task()", [] { static_cast<void>(as_task([] {})); });
}

}  // namespace
}  // namespace coir::test
