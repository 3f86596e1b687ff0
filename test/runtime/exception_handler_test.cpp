// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <log_capture.hpp>

#include <stdexcept>

namespace coir::test {
namespace {

class ExceptionHandlerTest : public RuntimeTest, protected LogCapture {};

// CPython: test_base_events.py, test_set_exc_handler_custom.
TEST_F(ExceptionHandlerTest, ACallbackThatThrowsIsReportedAndTheOthersOfTheTurnRun) {  // L6
  loop().call_soon([] { throw std::out_of_range("x"); }, "thrower");
  std::uint64_t turn = 0;
  loop().call_soon([&] { turn = loop().turns(); });
  run_ready();
  EXPECT_EQ(turn, 1U);
  expect_reported({"Exception in callback 'thrower' scheduled at exception_handler_test.cpp:"});
  EXPECT_NE(reports.at(0).find("std::out_of_range: x"), std::string::npos);
  EXPECT_EQ(subjects.at(0).rfind("'thrower' scheduled at", 0), 0U);
}

TEST_F(ExceptionHandlerTest, AnythingThrownIsReported) {  // L6
  loop().call_soon([] { throw 42; });
  loop().call_later(1s, [] { throw std::string("text"); });
  auto future = loop().create_future<void>();
  future.add_done_callback([] { throw CancelledError("c"); });
  future.cancel();
  run_ready();
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_NE(reports[0].find(": int"), std::string::npos) << reports[0];
  EXPECT_NE(reports[1].find("coir::CancelledError: c"), std::string::npos) << reports[1];
  EXPECT_NE(reports[2].find("basic_string"), std::string::npos) << reports[2];
  expected_reports = reports;
}

// CPython: test_base_events.py, test_default_exc_handler_callback, test_set_exc_handler_custom.
TEST_F(ExceptionHandlerTest, WithoutAHandlerItIsLogged) {
  loop().set_exception_handler({});
  loop().call_soon([] { throw std::out_of_range("x"); }, "thrower");
  loop().call_later(1s, [] { throw std::out_of_range("y"); }, "timer");
  run_ready();
  EXPECT_TRUE(logged("error Exception in callback 'thrower'")) << log();
  EXPECT_TRUE(logged("std::out_of_range: x")) << log();
  EXPECT_TRUE(logged("error Exception in callback 'timer'")) << log();
  EXPECT_TRUE(logged("std::out_of_range: y")) << log();
}

// CPython: test_base_events.py, test_default_exc_handler_coro.
TEST_F(ExceptionHandlerTest, UnretrievedFailuresAreLoggedWithNameAndPlace) {  // F6
  loop().set_exception_handler({});
  run([&] {
    static_cast<void>(create_task([] { throw std::runtime_error("lost"); }, TaskOptions{.name = "loser"}));
    sleep(0s);
  });
  EXPECT_TRUE(logged("error Task exception was never retrieved: Task 'loser' created at exception_handler_test.cpp:"))
      << log();
  EXPECT_TRUE(logged("std::runtime_error: lost")) << log();
}

// L12. CPython: test_base_events.py, test_set_exc_handler_broken.
TEST_F(ExceptionHandlerTest, AHandlerThatThrowsIsReportedByTheDefaultOne) {
  loop().set_exception_handler([](EventLoop&, const ExceptionContext&) { throw std::logic_error("broken handler"); });
  loop().call_soon([] { throw std::out_of_range("x"); });
  loop().call_soon(note("survived"));
  run_ready();
  EXPECT_EQ(events, (Trace{"survived"}));
  EXPECT_TRUE(logged("Unhandled error in exception handler")) << log();
  EXPECT_TRUE(logged("std::logic_error: broken handler")) << log();
  EXPECT_TRUE(logged("std::out_of_range: x")) << log();
}

TEST_F(ExceptionHandlerTest, AHandlerMayLeaveTheLoop) {  // L7: the one exception with this role
  loop().set_exception_handler(
      [](EventLoop&, const ExceptionContext&) { throw KeyboardInterrupt("from the handler"); });
  loop().call_soon([] { throw std::out_of_range("x"); });
  loop().call_soon(note("next"));
  EXPECT_EQ(ending_of([&] { loop().run_forever(); }), "coir::KeyboardInterrupt: from the handler");
  EXPECT_EQ(events, Trace{});
  run_ready();
  EXPECT_EQ(events, (Trace{"next"}));
}

TEST_F(ExceptionHandlerTest, AHandlerMayReplaceItself) {
  loop().set_exception_handler([this, text = std::string(100, 'x')](EventLoop& of, const ExceptionContext&) {
    of.set_exception_handler([this](EventLoop&, const ExceptionContext&) { trace("second"); });
    trace("first " + text.substr(0, 1));  // the captures are still there
  });
  loop().call_soon([] { throw std::out_of_range("x"); });
  loop().call_soon([] { throw std::out_of_range("y"); });
  run_ready();
  EXPECT_EQ(events, (Trace{"first x", "second"}));
}

TEST_F(ExceptionHandlerTest, UsersMayCallIt) {
  loop().call_exception_handler({.message = "mine", .subject = "theirs"});
  expect_reported({"mine"});
  EXPECT_EQ(subjects.at(0), "theirs");
  loop().default_exception_handler({.message = "straight to the log", .subject = "theirs"});
  EXPECT_TRUE(logged("error straight to the log: theirs")) << log();
}

// CPython: test_base_events.py, test_log_slow_callbacks.
TEST_F(ExceptionHandlerTest, SlowCallbacksAreLoggedInDebugMode) {
  loop().set_debug(true);
  loop().slow_callback_duration = 0s;  // everything is slow
  loop().call_soon([] {}, "blocker");
  run([] {});
  EXPECT_TRUE(logged("warning Executing 'blocker' scheduled at exception_handler_test.cpp:")) << log();
  EXPECT_TRUE(logged("warning Executing a step of Task 'main' created at")) << log();
  EXPECT_TRUE(logged(" seconds")) << log();
}

TEST_F(ExceptionHandlerTest, QuickCallbacksAreNotLoggedInDebugModeNorSlowOnesWithoutIt) {
  loop().slow_callback_duration = 0s;
  loop().call_soon([] {});
  run_ready();
  loop().set_debug(true);
  loop().slow_callback_duration = 1h;
  loop().call_soon([] {});
  run_ready();
  EXPECT_EQ(log(), "");
}

TEST_F(ExceptionHandlerTest, WhatASlowCallbackDestroysIsStillNamed) {
  loop().set_debug(true);
  loop().slow_callback_duration = 0s;
  Handle handle = loop().call_soon([] {}, "gone");
  handle = {};
  auto future = loop().create_future<void>();
  future.add_done_callback([] {}, "last use of the future");
  future.set_result();
  future = {};
  run_ready();
  EXPECT_TRUE(logged("Executing 'gone'")) << log();
  EXPECT_TRUE(logged("Executing 'last use of the future'")) << log();
}

}  // namespace
}  // namespace coir::test
