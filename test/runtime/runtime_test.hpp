// SPDX-License-Identifier: MIT
// What the tests of runtime/ share, beside the fixture.
#pragma once

#include <loop_test.hpp>

#include <coir/await.hpp>
#include <coir/errors.hpp>
#include <coir/event_loop.hpp>
#include <coir/future.hpp>
#include <coir/task.hpp>
#include <coir/threads.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace coir::test {

using Reason = UsageError::Reason;

/// Calls fn(), which must throw a UsageError of this kind, with `telling` in its text.
template <class Fn>
void expect_usage_error(Reason reason, const std::string& telling, Fn&& fn) {
  try {
    fn();
    ADD_FAILURE() << "no UsageError; expected one that says: " << telling;
  } catch (const UsageError& error) {
    EXPECT_EQ(static_cast<int>(error.reason()), static_cast<int>(reason)) << error.what();
    EXPECT_NE(std::string(error.what()).find(telling), std::string::npos) << error.what();
  }
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

/// The turns of the running loop that fn() takes.
template <class Fn>
std::uint64_t turns_of(Fn&& fn) {
  const std::uint64_t before = get_running_loop().turns();
  fn();
  return get_running_loop().turns() - before;
}

struct ChildResult {
  int status;          // of waitpid()
  std::string output;  // standard error

  bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  bool says(const std::string& text) const { return output.find(text) != std::string::npos; }
};

/// Runs fn() in a forked child, which ends with fn()'s result and without destructors or a leak check: for what leaks
/// on purpose, and for what changes the process.
template <class Fn>
ChildResult in_child(Fn&& fn) {
  int pipe_ends[2];
  EXPECT_EQ(::pipe(pipe_ends), 0);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe_ends[1], STDERR_FILENO);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    int code = 99;
    try {
      code = fn();
    } catch (...) {
      std::fprintf(stderr, "left the child: %s\n", describe(std::current_exception()).c_str());
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(pipe_ends[1]);
  ChildResult result{0, {}};
  std::array<char, 4096> buffer;
  for (ssize_t count; (count = ::read(pipe_ends[0], buffer.data(), buffer.size())) > 0;) {
    result.output.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(pipe_ends[0]);
  EXPECT_EQ(::waitpid(child, &result.status, 0), child);
  return result;
}

/// Two connected descriptors, closed at the end.
class DescriptorPair {
 public:
  explicit DescriptorPair(const std::array<int, 2>& ends) : ends_(ends) {}
  DescriptorPair(const DescriptorPair&) = delete;
  DescriptorPair& operator=(const DescriptorPair&) = delete;
  ~DescriptorPair() {
    close_end(0);
    close_end(1);
  }
  int operator[](std::size_t index) const { return ends_[index]; }
  void close_end(std::size_t index) {
    if (ends_[index] >= 0) ::close(ends_[index]);
    ends_[index] = -1;
  }

 private:
  std::array<int, 2> ends_;
};

/// Calls fn() when it is destroyed.
class OnDestruction {
 public:
  explicit OnDestruction(std::function<void()> fn) : fn_(std::move(fn)) {}
  OnDestruction(const OnDestruction&) = delete;
  OnDestruction& operator=(const OnDestruction&) = delete;
  ~OnDestruction() { fn_(); }

 private:
  std::function<void()> fn_;
};

/// For captures.
inline std::unique_ptr<OnDestruction> on_destruction(std::function<void()> fn) {
  return std::make_unique<OnDestruction>(std::move(fn));
}

class RuntimeTest : public LoopTest {
 protected:
  /// Exactly these were reported so far, each up to where it names a source line.
  void expect_reported(const std::vector<std::string>& beginnings) {
    EXPECT_EQ(reports.size(), beginnings.size());
    for (std::size_t i = 0; i < reports.size() && i < beginnings.size(); ++i) {
      EXPECT_EQ(reports[i].substr(0, beginnings[i].size()), beginnings[i]);
    }
    expected_reports = reports;
  }
  /// A callback that records its name.
  auto note(std::string event) {
    return [this, event = std::move(event)] { trace(event); };
  }
  void run_ready() { run_until_stalled(loop()); }
};

/// Joins the threads of the loop's default executor at the end: they hold the loop's inbox until they are through.
class ThreadedTest : public RuntimeTest {
 protected:
  void TearDown() override {
    if (!loop().is_closed()) loop().run_until_complete([this] { loop().shutdown_default_executor(); });
    RuntimeTest::TearDown();
  }
};

}  // namespace coir::test
