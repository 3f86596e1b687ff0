// SPDX-License-Identifier: MIT
// What tests of use_await share: a loop, and an io_context that runs on the same thread or on its own.
#pragma once

#include <coir/hosts/asio.hpp>

#include <boost/asio/executor_work_guard.hpp>

#include <coir/await.hpp>
#include <coir/errors.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace coir::test {

using namespace std::chrono_literals;

enum class AsioPlace { host, own_thread };
inline constexpr AsioPlace asio_places[] = {AsioPlace::host, AsioPlace::own_thread};
inline std::string name_of_place(const ::testing::TestParamInfo<AsioPlace>& info) {
  return info.param == AsioPlace::host ? "AsTheHost" : "OnItsOwnThread";
}

/// How a call ended: "returned", "CancelledError: <message>", or the description of another exception.
template <class Fn>
std::string ending_of(Fn&& fn) {
  try {
    fn();
    return "returned";
  } catch (const CancelledError& error) {
    return "CancelledError: " + error.message();
  } catch (...) {
    return describe(std::current_exception());
  }
}

class AsioTest : public ::testing::TestWithParam<AsioPlace> {
 protected:
  AsioTest() {
    loop.set_exception_handler([](EventLoop&, const ExceptionContext& failure) {
      ADD_FAILURE() << failure.message << (failure.exception ? ": " + coir::describe(failure.exception) : "");
    });
    if (GetParam() == AsioPlace::host) {
      host.emplace(loop, context);
      work.reset();  // run() has its own
    } else {
      thread = std::thread([this] { context.run(); });
    }
  }
  ~AsioTest() override {
    stop_asio();
    EXPECT_EQ(loop.stats().tasks, 0U);
    EXPECT_EQ(loop.stats().fibers.leased, 0U);
  }
  /// Before anything that handlers use goes.
  void stop_asio() {
    work.reset();
    if (thread.joinable()) thread.join();
    if (host) host.reset();
  }

  /// Runs fn() as a task until it is done.
  template <class Fn>
  void run(Fn&& fn) {
    auto task = loop.create_task(std::forward<Fn>(fn), TaskOptions{.name = "main"});
    if (host) {
      auto guard = asio_work();
      task.add_done_callback([&] { guard.reset(); });
      context.restart();
      context.run();
      ASSERT_TRUE(task.done());
      task.result();
    } else {
      loop.run_until_complete(task);
    }
  }
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> asio_work() {
    return boost::asio::make_work_guard(context);
  }

  EventLoop loop;
  boost::asio::io_context context;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work{asio_work()};
  std::optional<hosts::Asio> host;
  std::thread thread;
};

}  // namespace coir::test
