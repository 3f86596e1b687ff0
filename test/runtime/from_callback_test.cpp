// SPDX-License-Identifier: MIT
#include "bridge_test.hpp"

#include <coir/no_await.hpp>

#include <latch>
#include <stdexcept>
#include <tuple>

namespace coir::test {
namespace {

class FromCallbackTest : public BridgeTest {};
COIR_FROM_BOTH_SIDES(FromCallbackTest);

TEST_P(FromCallbackTest, ReturnsWhatTheCallbackBringsLater) {
  run([&] {
    const std::string got = from_callback<std::string>([&](auto done) {
      const auto cb = answer(std::move(done));
      library.ask(cb.fn, cb.ud);
      later([this] { library.call(0, "an answer too long for the small string optimisation"); });
    });
    EXPECT_EQ(got, "an answer too long for the small string optimisation");
  });
}

TEST_P(FromCallbackTest, ACallInsideTheInitiatingOneDoesNotSuspend) {
  run([&] {
    EXPECT_EQ(turns_of([&] {
                EXPECT_EQ(from_callback<std::string>([&](auto done) {
                            const auto cb = answer(std::move(done));
                            library.ask(cb.fn, cb.ud);
                            here([this] { library.call(0, "at once"); });
                          }),
                          "at once");
              }),
              0U);
  });
  EXPECT_EQ(late() + twice(), 0U);
}

TEST_P(FromCallbackTest, ResumptionGoesThroughTheReadyQueue) {
  run([&] {
    auto asking = create_task([&] {
      EXPECT_EQ(ask(), "x");
      trace("resumed");
    });
    sleep(0s);
    get_running_loop().call_soon(note("ready before"));
    here([this] { library.call(0, "x"); });
    trace("called");
    await(asking);
  });
  EXPECT_EQ(events, (Trace{"called", "ready before", "resumed"}));
}

TEST_P(FromCallbackTest, TheSecondCallFindsNothing) {
  run([&] {
    auto asking = create_task([&] { return ask(); });
    sleep(0s);
    here([this] {
      library.call(0, "first");
      library.call(0, "second");
    });
    EXPECT_EQ(await(asking), "first");
    here([this] { library.call(0, "third"); });
  });
  EXPECT_EQ(twice(), 2U);
}

TEST_P(FromCallbackTest, AFailureIsThrown) {
  run([&] {
    auto asking = create_task([&] { return ask(); });
    sleep(0s);
    here([this] { library.call(ECONNRESET, ""); });
    try {
      await(asking);
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::connection_reset);
    }
  });
}

TEST_P(FromCallbackTest, SeveralResultsAreATupleAndNoneIsVoid) {
  run([&] {
    const auto both = from_callback<int, std::string>([&](auto done) {
      later([done = std::move(done).shared()] { (*done)(7, "seven"); });
    });
    EXPECT_EQ(both, (std::tuple<int, std::string>(7, "seven")));
    from_callback<>([&](auto done) { later([done = std::move(done).shared()] { (*done)(); }); });
    from_callback<void>([&](auto done) { here([&] { done(); }); });
    const auto only = from_callback<std::unique_ptr<int>>(
        [&](auto done) { later([done = std::move(done).shared()] { (*done)(std::make_unique<int>(3)); }); });
    EXPECT_EQ(*only, 3);
  });
}

TEST_P(FromCallbackTest, EightThreadsAtOnceHaveOneWinner) {
  constexpr int callers = 8;
  run([&] {
    for (int round = 0; round < 50; ++round) {
      auto asking = create_task([&] { return ask(); });
      sleep(0s);
      auto calling = loop().run_in_executor([&] {  // so that the virtual clock waits for them
        std::latch ready(callers);
        std::vector<std::thread> threads;
        for (int i = 0; i < callers; ++i) {
          threads.emplace_back([&, i] {
            ready.arrive_and_wait();
            library.call(0, std::to_string(i));
          });
        }
        for (auto& thread : threads) thread.join();
      });
      if (GetParam() == Caller::loop) library.call(0, "loop");
      const std::string got = await(asking);
      EXPECT_TRUE(got == "loop" || (got.size() == 1 && got[0] >= '0' && got[0] < '8')) << got;
      await(calling);
    }
  });
  EXPECT_EQ(twice(), 50U * (GetParam() == Caller::loop ? callers : callers - 1));
}

TEST_P(FromCallbackTest, NeverCalledBackEndsWithItsTimeoutAndALateCallDoesNoHarm) {
  run([&] {
    const std::string ending = ending_of([&] { ask({.timeout = 2s, .name = "cam"}); });
    EXPECT_EQ(ending, "coir::TimeoutError: from_callback 'cam' at bridge_test.hpp:" +
                          std::to_string(pending_bridges().at(0).where.line) + ": no callback came within 2 s");
    EXPECT_EQ(elapsed_ms(), 2000);
    EXPECT_EQ(abandoned(), 1U);
    EXPECT_EQ(pending_bridges().at(0).state, PendingBridge::State::abandoned);
    here([this] { library.call(0, "late"); });
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(FromCallbackTest, ACallbackInTimeDisarmsTheTimeout) {
  run([&] {
    auto asking = create_task([&] { return ask({.timeout = 2s}); });
    sleep(1s);
    here([this] { library.call(0, "in time"); });
    EXPECT_EQ(await(asking), "in time");
    EXPECT_EQ(loop().stats().timers, 0U);
    EXPECT_EQ(elapsed_ms(), 1000);
  });
}

TEST_P(FromCallbackTest, AnOwnerThatIsDestroyedWithoutACallIsABrokenCallback) {
  run([&] {
    const std::string ending = ending_of([&] {
      from_callback<int>([&](auto done) {
        std::function<void(int)> callback = [done = std::move(done).shared()](int n) { (*done)(n); };
        later([callback] { /* an error path that forgets it */ });
      });
    });
    EXPECT_NE(ending.find("coir::BrokenCallback: from_callback at from_callback_test.cpp:"), std::string::npos) << ending;
    EXPECT_NE(ending.find("its callback was destroyed without having been called. Call it, or fail() it, on every path"),
              std::string::npos);
    EXPECT_EQ(turns_of([&] {
                EXPECT_THROW(from_callback<int>([](auto done) { static_cast<void>(done); }), BrokenCallback);
              }),
              0U);
  });
}

TEST_P(FromCallbackTest, AnInitiatingCallThatThrowsVoidsItsTicket) {
  run([&] {
    EXPECT_THROW(from_callback<std::string>([&](auto done) {
                   const auto cb = answer(std::move(done));
                   library.ask(cb.fn, cb.ud);
                   throw std::runtime_error("not connected");
                 }),
                 std::runtime_error);
    EXPECT_EQ(abandoned(), 0U);
    here([this] { library.call(0, "late"); });
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(FromCallbackTest, AnInitiatingCallThatThrowsBehindItsCallbackStillThrows) {
  run([&] {
    EXPECT_THROW(from_callback<std::string>([&](auto done) {
                   const auto cb = answer(std::move(done));
                   library.ask(cb.fn, cb.ud);
                   here([this] { library.call(0, "x"); });
                   throw std::runtime_error("and failed");
                 }),
                 std::runtime_error);
    sleep(0s);
  });
}

TEST_P(FromCallbackTest, WhatAMapperThrowsIsTheFailure) {
  run([&] {
    EXPECT_THROW(from_callback<std::string>([&](auto done) {
                   const auto cb = std::move(done).template c<Library::Answer>(
                       [](auto&, int, const char*) { throw std::out_of_range("mapper"); });
                   library.ask(cb.fn, cb.ud);
                   later([this] { library.call(0, ""); });
                 }),
                 std::out_of_range);
  });
}

TEST_P(FromCallbackTest, AMapperThatDoesNotCompleteItLetsTheLibraryCallAgain) {
  run([&] {
    int progress = 0;
    const std::string got = from_callback<std::string>([&](auto done) {
      const auto cb = std::move(done).template c<Library::Answer>([&progress](auto& d, int status, const char* text) {
        status == EINPROGRESS ? static_cast<void>(++progress) : static_cast<void>(d(text));
      });
      library.ask(cb.fn, cb.ud);
      later([this] {
        library.call(EINPROGRESS, "");
        library.call(EINPROGRESS, "");
        library.call(0, "done");
      });
    });
    EXPECT_EQ(got, "done");
    EXPECT_EQ(progress, 2);
  });
  EXPECT_EQ(twice(), 0U);
}

TEST_P(FromCallbackTest, AMapperMayTakeTheCompletionAlong) {
  run([&] {
    std::shared_ptr<Completion<std::string>> taken;
    auto asking = create_task([&] {
      return from_callback<std::string>([&](auto done) {
        const auto cb = std::move(done).template c<Library::Answer>(
            [&taken](auto& d, int, const char*) { taken = std::move(d).shared(); });
        library.ask(cb.fn, cb.ud);
      });
    });
    sleep(0s);
    here([this] { library.call(0, "not yet"); });
    sleep(0s);
    EXPECT_FALSE(asking.done());
    here([&] {
      (*taken)("now");
      taken.reset();
    });
    EXPECT_EQ(await(asking), "now");
    here([this] { library.call(0, "the ticket has ended"); });
  });
  EXPECT_EQ(twice(), 1U);
}

TEST_P(FromCallbackTest, AForeignNumberAsUserDataIsHarmless) {
  run([&] {
    auto asking = create_task([&] { return ask(); });
    sleep(0s);
    Library other = library;
    int on_stack = 0;
    here([&] {
      other.user = nullptr;
      other.call(0, "");
      other.user = &on_stack;
      other.call(0, "");
      other.user = static_cast<char*>(library.user) + (std::uintptr_t{7} << 32);
      other.call(0, "");
    });
    const auto wrong = from_callback<int>([&](auto done) {  // a function with another one's ticket
      const auto cb = std::move(done).template c<void(int, void*)>([](auto& d, int n) { d(n); });
      here([&] { cb.fn(1, library.user); });
      here([&] { cb.fn(2, cb.ud); });
    });
    EXPECT_EQ(wrong, 2);
    here([this] { library.call(0, "real"); });
    EXPECT_EQ(await(asking), "real");
  });
  EXPECT_EQ(unknown(), 4U);
}

TEST_P(FromCallbackTest, OnceTheLoopIsClosedACallIsCountedAndItsArgumentsDestroyed) {
  auto payload = std::make_shared<int>(1);
  std::shared_ptr<Completion<std::shared_ptr<int>>> done;
  Library closed_library;
  {
    EventLoop real;
    auto pending = real.create_future<void>();
    real.call_soon([&] {
      static_cast<void>(future_from_callback<std::shared_ptr<int>>([&](auto d) { done = std::move(d).shared(); }));
      static_cast<void>(future_from_callback<std::string>([&](auto d) {
        const auto cb = answer(std::move(d));
        closed_library.ask(cb.fn, cb.ud);
      }));
      real.stop();
    });
    real.run_forever();
  }
  here([&] {
    EXPECT_FALSE((*done)(payload));
    closed_library.call(0, "nobody");
    done.reset();
  });
  EXPECT_EQ(payload.use_count(), 1);
  EXPECT_EQ(after_close(), 2U);
}

TEST_P(FromCallbackTest, ALoopThatClosesTakesItsTimeoutAndCancellerAlong) {
  auto captured = std::make_shared<int>(1);
  std::shared_ptr<Completion<int>> done;
  Future<int> future;
  {
    EventLoop real;
    real.call_soon([&] {
      future = future_from_callback<int>(
          [&](auto d) {
            done = std::move(d).shared();
            return [captured] { return Cancel::will_fire; };
          },
          {.timeout = 1h});
      real.stop();
    });
    real.run_forever();
    EXPECT_EQ(captured.use_count(), 2);
  }
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_FALSE(future.done());
  EXPECT_TRUE(future.cancel());
  here([&] { done.reset(); });
}

// On the loop's thread a call arrives at once.
class FromCallbackRaceTest : public BridgeTest {};
INSTANTIATE_TEST_SUITE_P(From, FromCallbackRaceTest, ::testing::Values(Caller::thread));

TEST_P(FromCallbackRaceTest, ACallThatIsOnItsWayWhenTheLoopClosesIsCounted) {
  auto payload = std::make_shared<int>(1);
  {
    EventLoop real;
    real.call_soon([&] {
      static_cast<void>(future_from_callback<std::shared_ptr<int>>([&](auto done) {
        here([done = std::move(done).shared(), payload] { (*done)(payload); });
        real.stop();
      }));
    });
    real.run_forever();
    EXPECT_EQ(payload.use_count(), 1);  // it had come inside of the call, and the future is done and gone
    std::shared_ptr<Completion<std::shared_ptr<int>>> done;
    real.call_soon([&] {
      static_cast<void>(future_from_callback<std::shared_ptr<int>>([&](auto d) { done = std::move(d).shared(); }));
      real.stop();
    });
    real.run_forever();
    here([done = std::move(done), payload] { (*done)(payload); });
    EXPECT_EQ(payload.use_count(), 2);
  }
  EXPECT_EQ(payload.use_count(), 1);
  EXPECT_EQ(after_close(), 1U);
}

TEST_P(FromCallbackTest, OutsideATaskItIsAnErrorAndAFutureIsNot) {
  expect_usage_error(Reason::no_running_loop, "from_callback()", [] { from_callback<int>([](auto done) { done(1); }); });
  expect_usage_error(Reason::no_running_loop, "future_from_callback()",
                     [] { static_cast<void>(future_from_callback<int>([](auto done) { done(1); })); });
  Future<int> future;
  loop().call_soon([&] {
    expect_usage_error(Reason::outside_task, "from_callback()", [] { from_callback<int>([](auto done) { done(1); }); });
    future = future_from_callback<int>([&](auto done) { here([&] { done(1); }); });
    EXPECT_TRUE(future.done());
  });
  run_ready();
  EXPECT_EQ(future.result(), 1);
}

TEST_P(FromCallbackTest, AFutureCarriesValueFailureAndCancellation) {
  run([&] {
    const auto start = [&](int n) {
      return future_from_callback<int>([&](auto done) {
        later([done = std::move(done).shared(), n] { n < 0 ? done->fail(std::out_of_range("n")) : (*done)(n); });
      });
    };
    EXPECT_EQ(await(start(3)), 3);
    EXPECT_THROW(await(start(-1)), std::out_of_range);
    std::shared_ptr<Completion<int>> uncalled;
    auto third = future_from_callback<int>([&](auto done) { uncalled = std::move(done).shared(); });
    EXPECT_TRUE(third.cancel("not needed"));
    EXPECT_EQ(ending_of([&] { await(third); }), "CancelledError: not needed");
    here([&] { EXPECT_FALSE((*uncalled)(5)); });
    uncalled.reset();
    auto dropped = std::make_shared<int>(1);
    static_cast<void>(future_from_callback<std::shared_ptr<int>>(
        [&](auto done) { later([done = std::move(done).shared(), dropped] { (*done)(dropped); }); }));
    wait_for_threads();
    sleep(0s);
    EXPECT_EQ(dropped.use_count(), 1);
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(FromCallbackTest, PendingOnesAreListedWithNameAgeAndOrigin) {
  run([&] {
    auto asking = create_task([&] { return ask({.name = "dns"}); });
    sleep(3s);
    const auto pending = pending_bridges();
    ASSERT_EQ(pending.size(), 1U);
    EXPECT_EQ(to_string(pending[0]),
              "from_callback 'dns' at bridge_test.hpp:" + std::to_string(pending[0].where.line) + ", for 3.0 s");
    here([this] { library.call(0, "x"); });
    await(asking);
    EXPECT_TRUE(pending_bridges().empty());
  });
}

TEST_P(FromCallbackTest, ADeadlockNamesTheCallbackThatDidNotCome) {
  std::string said;
  try {
    run_virtual([&] { ask({.name = "dns"}); });
  } catch (const DeadlockError& error) {
    said = error.what();
  }
  EXPECT_NE(said.find("Task 'main' created at"), std::string::npos) << said;
  EXPECT_NE(said.find("not called back: from_callback 'dns' at bridge_test.hpp:"), std::string::npos) << said;
  here([this] { library.call(0, "late"); });
}

}  // namespace
}  // namespace coir::test
