// SPDX-License-Identifier: MIT
// The fixture of everything that runs in a loop: a virtual clock, a trace, and proof that nothing leaked.
#pragma once

#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/testing.hpp>

#include <gtest/gtest.h>

#include <dirent.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace coir::test {

using namespace std::chrono_literals;

using Trace = std::vector<std::string>;

/// Open descriptors of this process.
inline std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

/// One loop on a virtual clock. TearDown proves: no live task, no leased stack, no timer or reader left, nothing
/// reported to the exception handler that the test did not expect, no descriptor more than before.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest() : descriptors_before_(open_descriptors()) { make_loop({}); }

  /// Replaces the loop, to give it other options. The clock stays.
  void make_loop(LoopOptions options) {
    options.clock = &clock;
    loop_.emplace(options);
    loop_->set_exception_handler([this](EventLoop&, const ExceptionContext& context) {
      reports.push_back(context.message + (context.exception ? ": " + coir::describe(context.exception) : ""));
      subjects.push_back(context.subject);
    });
  }

  EventLoop& loop() { return *loop_; }

  /// Runs fn() as the main task until it is done; fails instead of hanging if it never can be.
  template <class Fn>
  auto run(Fn&& fn) {
    auto task = loop().create_task(std::forward<Fn>(fn), TaskOptions{.name = "main"});
    detail::run_main_virtual(loop(), task);
    return await_result(std::move(task));
  }

  void trace(std::string event) { events.push_back(std::move(event)); }
  /// Virtual time since the test began, in milliseconds.
  long elapsed_ms() const {
    return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(
        const_cast<VirtualClock&>(clock).now() - TimePoint{}).count());
  }

  void TearDown() override {
    if (loop_) {
      if (!loop_->is_closed()) {
        const LoopStats stats = loop_->stats();
        EXPECT_EQ(stats.tasks, 0U) << "live tasks";
        EXPECT_EQ(stats.fibers.leased, 0U) << "leased stacks";
        EXPECT_EQ(stats.timers, 0U) << "live timers";
        EXPECT_EQ(stats.descriptors, 0U) << "watched descriptors";
        EXPECT_EQ(stats.external_work, 0U) << "executor calls under way";
      }
      loop_.reset();
    }
    EXPECT_EQ(reports, expected_reports);
    // A thread of an executor may be about to let go of the last job, and with it of the loop's inbox.
    for (int patience = 1000; open_descriptors() != descriptors_before_ && patience > 0; --patience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(open_descriptors(), descriptors_before_) << "leaked descriptors";
  }

  VirtualClock clock;
  Trace events;                          // what trace() recorded
  std::vector<std::string> reports;      // messages that reached the exception handler
  std::vector<std::string> subjects;     // and what they were about
  std::vector<std::string> expected_reports;

 private:
  template <class T>
  static T await_result(Task<T> task) {
    return detail::take_value<T>(task.state(), task.state().references() == 1);
  }

  std::size_t descriptors_before_;
  std::optional<EventLoop> loop_;
};

}  // namespace coir::test
