// SPDX-License-Identifier: MIT What the tests of callback bridges share: a C library that calls back when the test says
// so, from the loop's thread or from another one.
#pragma once

#include "runtime_test.hpp"

#include <coir/bridges.hpp>
#include <coir/from_callback.hpp>

#include <atomic>
#include <mutex>
#include <thread>

namespace coir::test {

/// `int lib_ask(lib_answer*, void*)`, and what a library does with those two: keep them, and use them as it likes.
struct Library {
  using Answer = void(int status, const char* text, void* user);
  Answer* answer = nullptr;
  void* user = nullptr;

  void ask(Answer* fn, void* ud) {
    answer = fn;
    user = ud;
  }
  void call(int status, const std::string& text) const {
    // Gone when this returns, and overwritten: whoever kept the pointer is found out by ASan.
    const auto borrowed = std::make_unique<std::string>(text);
    answer(status, borrowed->c_str(), user);
    borrowed->assign(borrowed->size(), '?');
  }
};

enum class Caller { loop, thread };

class BridgeTest : public ThreadedTest, public ::testing::WithParamInterface<Caller> {
 protected:
  BridgeTest() : before_(bridge_stats()) {}

  void TearDown() override {
    ThreadedTest::TearDown();
    EXPECT_EQ(bridge_stats().abandoned, before_.abandoned) << "a foreign owner was left";
  }

  /// Runs fn() later: in a callback of the loop, or on another thread. The virtual clock stands still meanwhile.
  template <class Fn>
  void later(Fn fn) {
    if (GetParam() == Caller::loop) {
      loop().call_soon(std::move(fn));
    } else {
      static_cast<void>(loop().run_in_executor(std::move(fn)));
    }
  }
  /// Runs fn() at once, on this thread or on another one.
  template <class Fn>
  void here(Fn fn) {
    if (GetParam() == Caller::loop) {
      fn();
    } else {
      std::thread(std::move(fn)).join();
    }
  }
  /// In a task: what other threads posted has run.
  static void let_posts_arrive() {
    sleep(0s);
    sleep(0s);
  }
  void wait_for_threads() {
    while (loop().stats().external_work != 0) sleep(0s);
  }

  std::uint64_t late() const { return bridge_stats().late - before_.late; }
  std::uint64_t twice() const { return bridge_stats().twice - before_.twice; }
  std::uint64_t after_close() const { return bridge_stats().after_close - before_.after_close; }
  std::uint64_t unknown() const { return bridge_stats().unknown - before_.unknown; }
  std::size_t abandoned() const { return bridge_stats().abandoned - before_.abandoned; }

  /// The callback of `library`: a text, or an error.
  template <class Done>
  auto answer(Done done) {
    return std::move(done).template c<Library::Answer>([](auto& d, int status, const char* text) {
      if (status == 0) {
        d(text);
      } else {
        d.fail(std::error_code(status, std::generic_category()));
      }
    });
  }
  /// Asks, and lets the test call back.
  std::string ask(BridgeOptions options = {}) {
    return from_callback<std::string>(
        [&](auto done) {
          const auto cb = answer(std::move(done));
          library.ask(cb.fn, cb.ud);
        },
        options);
  }
  std::string ask(Cancel what, BridgeOptions options = {}) {
    return from_callback<std::string>(
        [&](auto done) {
          const auto cb = answer(std::move(done));
          library.ask(cb.fn, cb.ud);
          return [this, what] {
            trace("cancel");
            return what;
          };
        },
        options);
  }

  Library library;

 private:
  const BridgeStats before_;
};

#define COIR_FROM_BOTH_SIDES(Suite)                                                               \
  INSTANTIATE_TEST_SUITE_P(From, Suite, ::testing::Values(Caller::loop, Caller::thread),          \
                           [](const auto& param) {                                                \
                             return param.param == Caller::loop ? "TheLoopsThread" : "AnotherOne"; \
                           })

}  // namespace coir::test
