// SPDX-License-Identifier: MIT
#include "bridge_test.hpp"

#include <span>
#include <string_view>
#include <tuple>
#include <vector>

namespace coir::test {
namespace {

static_assert(owns_its_data<int> && owns_its_data<std::string> && owns_its_data<std::vector<std::string>> &&
              owns_its_data<std::unique_ptr<char>> && owns_its_data<void (*)(int)> && owns_its_data<std::optional<int>>);
static_assert(!owns_its_data<char*> && !owns_its_data<const char*> && !owns_its_data<void*> && !owns_its_data<int&>);
static_assert(!owns_its_data<int[4]> && !owns_its_data<const char* const>);
static_assert(!owns_its_data<std::string_view> && !owns_its_data<std::u16string_view>);
static_assert(!owns_its_data<const std::string_view>);
static_assert(!owns_its_data<std::span<const std::byte>> && !owns_its_data<std::span<int, 4>>);
static_assert(!owns_its_data<std::initializer_list<int>> && !owns_its_data<std::reference_wrapper<int>>);
static_assert(!owns_its_data<std::vector<std::string_view>> && !owns_its_data<std::tuple<int, const char*>>);
static_assert(!owns_its_data<std::pair<char*, int>> && !owns_its_data<std::optional<std::string_view>>);
static_assert(owns_its_data<borrowed<const char*>> && owns_its_data<borrowed<std::string_view>>);
static_assert(owns_its_data<std::tuple<int, borrowed<std::span<int>>>>);

static_assert(!std::is_copy_constructible_v<Completion<int>> && std::is_nothrow_move_constructible_v<Completion<int>>);
static_assert(detail::last_void_pointer<void(void*, int, int, long*)> == 0);         // c-ares
static_assert(detail::last_void_pointer<void(int*, void*, void*)> == 2);             // hiredis
static_assert(detail::last_void_pointer<int (*)(int*, void*) noexcept> == 1);
static_assert(detail::last_void_pointer<void(int, const void*)> == 2);               // none: to be named

class CompletionTest : public BridgeTest {};
COIR_FROM_BOTH_SIDES(CompletionTest);

TEST_P(CompletionTest, TheFirstCallWinsAndSaysSo) {
  run([&] {
    const int got = from_callback<int>([&](auto done) {
      later([done = std::move(done).shared(), this] {
        trace((*done)(1) ? "first" : "late");
        trace((*done)(2) ? "first" : "late");
        trace(done->fail(std::make_error_code(std::errc::io_error)) ? "first" : "late");
      });
    });
    EXPECT_EQ(got, 1);
    wait_for_threads();
  });
  EXPECT_EQ(events, (Trace{"first", "late", "late"}));
  EXPECT_EQ(twice(), 2U);
}

TEST_P(CompletionTest, ALosersArgumentsAreDestroyed) {
  auto payload = std::make_shared<int>(1);
  run([&] {
    const auto got = from_callback<std::shared_ptr<int>>([&](auto done) {
      here([&] {
        done(payload);
        done(payload);
      });
    });
    EXPECT_EQ(payload.use_count(), 2);
  });
  EXPECT_EQ(payload.use_count(), 1);
}

TEST_P(CompletionTest, FailsWithACodeAnExceptionOrAnObject) {
  run([&] {
    const auto failing = [&](auto fail) {
      return ending_of([&] { from_callback<int>([&](auto done) { here([&] { fail(done); }); }); });
    };
    EXPECT_EQ(failing([](auto& d) { d.fail(std::make_error_code(std::errc::timed_out)); }),
              "std::system_error: Connection timed out");
    EXPECT_EQ(failing([](auto& d) { d.fail(std::make_exception_ptr(std::runtime_error("a"))); }), "std::runtime_error: a");
    EXPECT_EQ(failing([](auto& d) { d.fail(std::runtime_error("b")); }), "std::runtime_error: b");
    EXPECT_EQ(failing([](auto& d) { d.fail(std::exception_ptr()); }),
              "std::invalid_argument: fail(): the exception_ptr is null");
  });
}

TEST_P(CompletionTest, MayOutliveTheLoopAndBeDestroyedAnywhere) {
  auto kept = std::make_shared<int>(1);
  std::shared_ptr<Completion<int>> done;
  {
    EventLoop real;
    real.call_soon([&] {
      static_cast<void>(future_from_callback<int>([&](auto d) {
        d.template keep<std::shared_ptr<int>>(kept);
        done = std::move(d).shared();
      }));
      real.stop();
    });
    real.run_forever();
  }
  EXPECT_EQ(kept.use_count(), 2);
  here([&] { done.reset(); });
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(after_close(), 0U);
}

TEST_P(CompletionTest, WhatItKeepsLivesUntilTheCallbackHasCome) {
  struct Op {
    std::shared_ptr<int> mark;
    std::string reply;
  };
  auto mark = std::make_shared<int>(1);
  run([&] {
    const std::string got = from_callback<std::string>([&](auto done) {
      Op& op = done.template keep<Op>(mark);
      EXPECT_EQ(mark.use_count(), 2);
      later([&op, done = std::move(done).shared()] {
        op.reply = "reply";
        (*done)(std::move(op.reply));
      });
    });
    EXPECT_EQ(got, "reply");
    wait_for_threads();
    sleep(0s);
    EXPECT_EQ(mark.use_count(), 1);
  });
}

// The future is in the bridge's own memory.
TEST_P(CompletionTest, TheFutureThatItsTaskWaitsOnMayOutliveTheWait) {
  run([&] {
    const auto mark = std::make_shared<int>(1);
    std::shared_ptr<Completion<int>> owner;
    auto task = create_task([&] {
      return from_callback<int>([&](auto done) {
        done.template keep<std::shared_ptr<int>>(mark);
        owner = std::move(done).shared();
      });
    });
    sleep(0s);
    detail::Ref<detail::FutureState> held;
    task.state().each_awaited([&](const detail::FutureState& awaited) {
      held = detail::Ref<detail::FutureState>(const_cast<detail::FutureState*>(&awaited));
    });
    ASSERT_TRUE(held);
    here([&] {
      (*owner)(7);
      owner.reset();
    });
    EXPECT_EQ(await(task), 7);
    EXPECT_TRUE(held->done());
    EXPECT_EQ(mark.use_count(), 2) << "what the bridge keeps";
    held = {};
    EXPECT_EQ(mark.use_count(), 1);
  });
}

TEST_P(CompletionTest, AnotherParameterCanBeTheUserData) {
  run([&] {
    EXPECT_EQ(from_callback<int>([&](auto done) {  // two void*, the first one is it
                const auto cb = std::move(done).template c<void(void*, int, void*), 0>(
                    [](auto& d, int n, void* other) { d(n + *static_cast<int*>(other)); });
                int other = 3;
                here([&] { cb.fn(cb.ud, 4, &other); });
              }),
              7);
    EXPECT_EQ(from_callback<int>([&](auto done) {  // an integer as wide as a pointer
                const auto cb = std::move(done).template c<void(std::uintptr_t, int), 0>(
                    [](auto& d, int n) { d(n); });
                here([&] { cb.fn(reinterpret_cast<std::uintptr_t>(cb.ud), 8); });
              }),
              8);
  });
}

TEST_P(CompletionTest, ACFunctionMayReturnSomething) {
  run([&] {
    EXPECT_EQ(from_callback<int>([&](auto done) {
                const auto cb = std::move(done).template c<int(int, void*)>(
                    [](auto& d, int n) { return d(n) ? 42 : 1; });
                here([&] {
                  trace(std::to_string(cb.fn(5, cb.ud)));
                  trace(std::to_string(cb.fn(6, cb.ud)));
                });
              }),
              5);
  });
  EXPECT_EQ(events, (Trace{"42", "0"}));
}

TEST_P(CompletionTest, AMovedFromOneSaysSo) {
  run([&] {
    from_callback<int>([&](auto done) {
      auto other = std::move(done);
      EXPECT_THROW(done(1), InvalidStateError);
      here([&] { other(2); });
    });
  });
}

TEST_P(CompletionTest, TicketsAreReusedAndOldOnesStayInvalid) {
  std::vector<Library> old;
  run([&] {
    for (int i = 0; i < 3000; ++i) {
      auto asking = create_task([&] { return ask(); });
      sleep(0s);
      library.call(0, "x");
      await(asking);
      if (i % 1000 == 0) old.push_back(library);
    }
    auto asking = create_task([&] { return ask(); });
    sleep(0s);
    here([&] {
      for (const Library& one : old) one.call(0, "from long ago");
    });
    EXPECT_FALSE(asking.done());
    library.call(0, "current");
    EXPECT_EQ(await(asking), "current");
  });
  EXPECT_EQ(twice() + unknown(), 3U);
  EXPECT_LT(bridge_stats().tickets, 3000U);
}

TEST_P(CompletionTest, TicketsOfManyBridgesAtOnceAreAllDifferent) {
  constexpr int count = 5000;
  run([&] {
    std::vector<Library> all(count);
    std::vector<Future<std::string>> futures;
    for (Library& one : all) {
      futures.push_back(future_from_callback<std::string>([&](auto done) {
        const auto cb = answer(std::move(done));
        one.ask(cb.fn, cb.ud);
      }));
    }
    here([&] {
      for (int i = 0; i < count; ++i) all[static_cast<std::size_t>(i)].call(0, std::to_string(i));
    });
    for (int i = 0; i < count; ++i) EXPECT_EQ(await(futures[static_cast<std::size_t>(i)]), std::to_string(i));
  });
}

}  // namespace
}  // namespace coir::test
