// SPDX-License-Identifier: MIT
// The fixture of the suite that every host has to pass: a loop on the system's clock, attached.
#pragma once

#include <coir/await.hpp>
#include <coir/errors.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "driver.hpp"

namespace coir::test {

using namespace std::chrono_literals;
using Trace = std::vector<std::string>;

class HostTest : public ::testing::TestWithParam<HostFactory> {
 protected:
  HostTest() : host(GetParam().make()), loop(std::make_unique<EventLoop>()) {
    loop->set_exception_handler([this](EventLoop&, const ExceptionContext& context) {
      reports.push_back(context.message + (context.exception ? ": " + coir::describe(context.exception) : ""));
      subjects.push_back(context.subject);
    });
    host->attach(*loop);
  }
  void TearDown() override {
    host->drop();
    EXPECT_EQ(reports, expected_reports);
    EXPECT_EQ(loop->stats().tasks, 0U);
  }

  void trace(std::string event) { events.push_back(std::move(event)); }
  /// Runs fn() as a task, and the host until that has ended.
  template <class Fn>
  void run_task(Fn&& fn) {
    auto task = loop->create_task([this, fn = std::forward<Fn>(fn)]() mutable {
      struct Quit {
        HostTest& test;
        ~Quit() { test.host->quit(); }
      } const quit{*this};
      fn();
    });
    host->run();
    ASSERT_TRUE(task.done()) << "the host has returned before";
    task.result();
  }

  std::unique_ptr<HostDriver> host;
  std::unique_ptr<EventLoop> loop;
  Trace events;
  std::vector<std::string> reports;
  std::vector<std::string> subjects;
  std::vector<std::string> expected_reports;
};

inline std::string name_of_host(const ::testing::TestParamInfo<HostFactory>& info) { return info.param.name; }

}  // namespace coir::test
