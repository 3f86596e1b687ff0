// SPDX-License-Identifier: MIT
// What the tests of combinators/ share, beside the fixture.
#pragma once

#include <loop_test.hpp>

#include <coir/coir.hpp>
#include <coir/trace.hpp>

#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace coir::test {

struct Boom : std::runtime_error {
  explicit Boom(const std::string& text = "boom") : std::runtime_error(text) {}
};

/// How a call ended: "returned", "CancelledError", "CancelledError: <message>", "TimeoutError", "Boom: <text>", or the
/// description of another exception.
template <std::invocable Fn>
std::string ending_of(Fn&& fn) {
  try {
    static_cast<void>(std::forward<Fn>(fn)());
    return "returned";
  } catch (const CancelledError& error) {
    return error.message().empty() ? "CancelledError" : "CancelledError: " + error.message();
  } catch (const TimeoutError&) {
    return "TimeoutError";
  } catch (const Boom& error) {
    return std::string("Boom: ") + error.what();
  } catch (...) {
    return describe(std::current_exception());
  }
}

inline std::string ending_of(const std::exception_ptr& error) {
  return ending_of([&] { std::rethrow_exception(error); });
}

/// The turns of the running loop that fn() takes, however it ends.
template <class Fn>
std::uint64_t turns_of(Fn&& fn) {
  const std::uint64_t before = get_running_loop().turns();
  static_cast<void>(ending_of(std::forward<Fn>(fn)));
  return get_running_loop().turns() - before;
}

/// How many callbacks of that name the loop ran while this exists. Those that a combinator left behind in a future
/// show when the future is completed.
class CallbackCount final : public Tracer {
 public:
  CallbackCount(EventLoop& loop, const char* name) : loop_(loop), name_(name) { loop.set_tracer(this); }
  ~CallbackCount() override { loop_.set_tracer(nullptr); }
  CallbackCount(const CallbackCount&) = delete;
  CallbackCount& operator=(const CallbackCount&) = delete;
  void on_event(const TraceEvent& event) override {
    if (event.kind == TraceEvent::Kind::callback_runs && std::strcmp(event.name, name_) == 0) ++count_;
  }
  int operator()() const noexcept { return count_; }

 private:
  EventLoop& loop_;
  const char* name_;
  int count_ = 0;
};

/// A value that counts its copies.
struct Counted {
  explicit Counted(int& counter) : copies(&counter) {}
  Counted(const Counted& other) : copies(other.copies) { ++*copies; }
  Counted(Counted&& other) noexcept : copies(other.copies) {}
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() = default;
  int* copies;
};

class CombinatorTest : public LoopTest {
 protected:
  /// Records the event with the time in milliseconds: "20 done".
  void mark(const std::string& event) { trace(std::to_string(elapsed_ms()) + " " + event); }

  template <class T>
  Future<T> future() {
    return loop().create_future<T>();
  }
  template <class T>
  Future<T> done_future(T value) {
    auto made = loop().create_future<T>();
    made.set_result(std::move(value));
    return made;
  }
  Future<int> failed_future(const std::string& text) {
    auto made = loop().create_future<int>();
    made.set_exception(Boom(text));
    return made;
  }
  /// A callable that returns `value` after `delay`, and marks "<name> done", or "<name> cancelled".
  auto worker(std::string name, Duration delay, int value = 0) {
    return [this, name = std::move(name), delay, value] {
      try {
        sleep(delay);
      } catch (const CancelledError&) {
        mark(name + " cancelled");
        throw;
      }
      mark(name + " done");
      return value;
    };
  }
  /// A task that swallows its first cancellation and then takes `cleanup` to return `value`.
  Task<int> stubborn(Duration cleanup, int value = 7) {
    return loop().create_task([this, cleanup, value] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
        mark("clean-up");
      }
      sleep(cleanup);
      mark("cleaned up");
      return value;
    });
  }
  /// Runs the loop until nothing is left to do.
  void run_ready() { EXPECT_TRUE(run_until_stalled(loop())); }
  /// Exactly these were reported so far.
  void expect_reported(const std::vector<std::string>& messages) {
    EXPECT_EQ(reports.size(), messages.size());
    for (std::size_t i = 0; i < reports.size() && i < messages.size(); ++i) {
      EXPECT_EQ(reports[i].substr(0, messages[i].size()), messages[i]);
    }
    expected_reports = reports;
  }
};

}  // namespace coir::test
