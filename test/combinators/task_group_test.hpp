// SPDX-License-Identifier: MIT
// What the tests of task_group() share.
#pragma once

#include "combinators_test.hpp"

namespace coir::test {

/// As ending_of(), with the errors of a group, nested ones too: "group(Boom: a, group(Boom: b))".
inline std::string group_ending_of(const std::exception_ptr& error);

template <std::invocable Fn>
std::string group_ending_of(Fn&& fn) {
  try {
    std::forward<Fn>(fn)();
    return "returned";
  } catch (const ExceptionGroup& group) {
    std::string text;
    for (const auto& each : group.exceptions()) text += (text.empty() ? "" : ", ") + group_ending_of(each);
    return "group(" + text + ")";
  } catch (...) {
    return ending_of(std::current_exception());
  }
}

inline std::string group_ending_of(const std::exception_ptr& error) {
  return group_ending_of([&] { std::rethrow_exception(error); });
}

class TaskGroupFixture : public CombinatorTest {
 protected:
  /// A callable that throws Boom(text) after `delay`.
  static auto crash(Duration delay, const std::string& text = "child") {
    return [delay, text] {
      sleep(delay);
      throw Boom(text);
    };
  }
  /// A callable that sleeps for an hour and throws Boom(text) instead of CancelledError.
  static auto crash_when_cancelled(const std::string& text = "clean-up") {
    return [text] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
        throw Boom(text);
      }
    };
  }
  /// A callable that takes `cleanup` to end once cancelled.
  auto slow_to_end(const std::string& name, Duration cleanup) {
    return [this, name, cleanup] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
        mark(name + " cancelled");
        sleep(cleanup);
        mark(name + " cleaned up");
        throw;
      }
    };
  }
  /// Sleeps for an hour; marks "body cancelled" if it is.
  void body_sleeps() { worker("body", 1h)(); }
};

}  // namespace coir::test
