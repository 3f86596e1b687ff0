// SPDX-License-Identifier: MIT
// What the tests of Lock, Event, Condition, Semaphore and Barrier share.
#pragma once

#include "combinators_test.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace coir::test {

using Reason = UsageError::Reason;

class LocksTest : public CombinatorTest {
 protected:
  /// Lets everything that is ready run once: asyncio.sleep(0).
  static void turn() { sleep(0ms); }

  /// A task that acquires, traces its name, and keeps what it got.
  template <class L>
  Task<void> taker(L& lock, const std::string& name) {
    return create_task([this, &lock, name] {
      lock.acquire();
      trace(name);
    });
  }

  /// fn() must throw a UsageError of this kind, with `telling` in its text.
  template <class Fn>
  static void expect_usage_error(Reason reason, const std::string& telling, Fn&& fn) {
    try {
      fn();
      ADD_FAILURE() << "no UsageError; expected one that says: " << telling;
    } catch (const UsageError& error) {
      EXPECT_EQ(static_cast<int>(error.reason()), static_cast<int>(reason)) << error.what();
      EXPECT_NE(std::string(error.what()).find(telling), std::string::npos) << error.what();
    }
  }

  /// "file:line" of the caller, as messages have it.
  static std::string here(SourceLocation where = SourceLocation::current()) { return to_string(where); }
};

}  // namespace coir::test
