// SPDX-License-Identifier: MIT A wait for a callback that is cancelled, or times out: what each answer of the canceller
// does. The library writes into buffers when it calls back, so that ASan sees whether they are still there.
#include "bridge_test.hpp"

#include <array>
#include <cstring>
#include <stdexcept>

namespace coir::test {
namespace {

class BridgeCancelTest : public BridgeTest {};
COIR_FROM_BOTH_SIDES(BridgeCancelTest);

/// `void read(char* buffer, size_t, void (*done)(int, void*), void*)` of a library that fills the buffer when it is
/// done.
struct Reader {
  char* buffer = nullptr;
  void (*done)(int status, void* user) = nullptr;
  void* user = nullptr;

  void finish(int status) const {
    std::memcpy(buffer, "data", 4);
    done(status, user);
  }
};

constexpr auto map_status = [](auto& d, int status) {
  status == 0 ? static_cast<void>(d(status))
              : static_cast<void>(d.fail(std::error_code(status, std::generic_category())));
};

template <class Done>
void start(Reader& reader, Done done, char* buffer) {
  const auto cb = std::move(done).template c<void(int, void*)>(map_status);
  reader = {buffer, cb.fn, cb.ud};
}

TEST_P(BridgeCancelTest, WillFireKeepsTheBufferOnTheStackUntilTheCallback) {
  Reader reader;
  run([&] {
    auto reading = create_task([&] {
      std::array<char, 64> buffer{};
      try {
        from_callback<int>([&](auto done) {
          start(reader, std::move(done), buffer.data());
          return [this] {
            trace("cancel");
            return Cancel::will_fire;
          };
        });
      } catch (const CancelledError& error) {
        trace(error.message() + ", buffer " + std::string(buffer.data(), 4));
        throw;
      }
    });
    sleep(0s);
    EXPECT_TRUE(reading.cancel("stop"));
    EXPECT_TRUE(reading.cancel("again"));
    EXPECT_EQ(pending_bridges().at(0).state, PendingBridge::State::stopping);
    sleep(1s);
    EXPECT_FALSE(reading.done());
    here([&] { reader.finish(ECANCELED); });
    EXPECT_EQ(ending_of([&] { await(reading); }), "CancelledError: stop");
    EXPECT_TRUE(reading.cancelled());
  });
  EXPECT_EQ(events, (Trace{"cancel", "stop, buffer data"}));
  EXPECT_EQ(late(), 0U);
}

TEST_P(BridgeCancelTest, StoppedEndsTheWaitAtOnceAndFreesEverything) {
  auto kept = std::make_shared<int>(1);
  run([&] {
    auto asking = create_task([&] {
      from_callback<std::string>([&](auto done) {
        done.template keep<std::shared_ptr<int>>(kept);
        const auto cb = answer(std::move(done));
        library.ask(cb.fn, cb.ud);
        return [] { return Cancel::stopped; };
      });
    });
    sleep(0s);
    EXPECT_EQ(kept.use_count(), 2);
    asking.cancel();
    EXPECT_EQ(kept.use_count(), 1);
    sleep(0s);
    EXPECT_TRUE(asking.cancelled());
    EXPECT_EQ(abandoned(), 0U);
    here([this] { library.call(0, "the library lied"); });
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(BridgeCancelTest, RefusedEndsTheWaitAtOnceAndKeepsTheBufferUntilTheCallback) {
  for (const bool with_canceller : {true, false}) {
    auto kept = std::make_shared<std::array<char, 64>>();
    Reader reader;
    run([&] {
      auto reading = create_task([&] {
        if (with_canceller) {
          from_callback<int>([&](auto done) {
            auto& buffer = *done.template keep<std::shared_ptr<std::array<char, 64>>>(kept);
            start(reader, std::move(done), buffer.data());
            return [] { return Cancel::refused; };
          });
        } else {
          from_callback<int>([&](auto done) {
            auto& buffer = done.template keep<std::shared_ptr<std::array<char, 64>>>(kept);
            start(reader, std::move(done), buffer->data());
          });
        }
      });
      sleep(0s);
      reading.cancel();
      sleep(0s);
      EXPECT_TRUE(reading.cancelled());
      EXPECT_EQ(kept.use_count(), 2);
      EXPECT_EQ(abandoned(), 1U);
      EXPECT_EQ(pending_bridges().at(0).state, PendingBridge::State::abandoned);
      here([&] { reader.finish(0); });
      EXPECT_EQ(kept.use_count(), 1);
      EXPECT_EQ(abandoned(), 0U);
    });
  }
  EXPECT_EQ(late(), 2U);
}

TEST_P(BridgeCancelTest, ALateCallIsMappedSoThatWhatItBringsIsDestroyed) {
  static int alive = 0;
  struct Message {  // as a library hands it over: whoever gets it frees it
    Message() { ++alive; }
    ~Message() { --alive; }
  };
  using Deliver = void(Message*, void*);
  Deliver* deliver = nullptr;
  void* user = nullptr;
  run([&] {
    auto asking = create_task([&] {
      from_callback<std::unique_ptr<Message>>([&](auto done) {
        const auto cb = std::move(done).template c<Deliver>(
            [](auto& d, Message* m) { d(std::unique_ptr<Message>(m)); });
        deliver = cb.fn;
        user = cb.ud;
      });
    });
    sleep(0s);
    asking.cancel();
    sleep(0s);
    here([&] { deliver(new Message, user); });
    EXPECT_EQ(alive, 0);
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(BridgeCancelTest, ACancellerThatMakesTheCallbackComeAtOnceIsNotResumedInside) {
  run([&] {
    for (const Cancel says : {Cancel::will_fire, Cancel::stopped, Cancel::refused}) {
      auto asking = create_task([&] {
        from_callback<std::string>([&](auto done) {
          const auto cb = answer(std::move(done));
          library.ask(cb.fn, cb.ud);
          return [this, says] {
            library.call(ECANCELED, "");  // as ares_cancel() does
            return says;
          };
        });
      });
      sleep(0s);
      asking.cancel("stop");
      EXPECT_FALSE(asking.done());
      sleep(0s);
      EXPECT_TRUE(asking.cancelled());
    }
  });
  EXPECT_EQ(late(), 0U);
  EXPECT_EQ(abandoned(), 0U);
}

TEST_P(BridgeCancelTest, ACancellerThatThrowsIsReportedAndCountsAsRefused) {
  run([&] {
    auto asking = create_task([&] {
      from_callback<std::string>([&](auto done) {
        const auto cb = answer(std::move(done));
        library.ask(cb.fn, cb.ud);
        return []() -> Cancel { throw std::runtime_error("canceller"); };
      });
    });
    sleep(0s);
    asking.cancel();
    sleep(0s);
    EXPECT_TRUE(asking.cancelled());
    EXPECT_EQ(abandoned(), 1U);
    here([this] { library.call(0, "late"); });
  });
  expect_reported({"Exception in the canceller of from_callback at bridge_cancel_test.cpp:"});
}

TEST_P(BridgeCancelTest, WithoutPreferResultAValueBehindTheCancellationIsLost) {
  run([&] {
    auto asking = create_task([&] { return ask(Cancel::will_fire); });
    sleep(0s);
    asking.cancel();
    here([this] { library.call(0, "done before you asked"); });
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: ");
  });
}

TEST_P(BridgeCancelTest, WithPreferResultItIsReturnedAndTheNextAwaitIsCancelled) {
  run([&] {
    auto asking = create_task([&] {
      trace(ask(Cancel::will_fire, {.prefer_result = true}));
      sleep(1s);
      trace("not reached");
    });
    sleep(0s);
    asking.cancel("stop");
    here([this] { library.call(0, "done before you asked"); });
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: stop");
    EXPECT_EQ(asking.cancelling(), 1);
  });
  EXPECT_EQ(events, (Trace{"cancel", "done before you asked"}));
}

TEST_P(BridgeCancelTest, WithPreferResultAFailureStillGivesWayToTheCancellation) {
  run([&] {
    auto asking = create_task([&] { return ask(Cancel::will_fire, {.prefer_result = true}); });
    sleep(0s);
    asking.cancel();
    here([this] { library.call(ECANCELED, ""); });
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: ");
  });
}

TEST_P(BridgeCancelTest, PreferResultAlsoSavesAValueThatCameJustBeforeTheCancellation) {
  run([&] {
    auto asking = create_task([&] {
      trace(ask({.prefer_result = true}));
      sleep(1s);
      trace("not reached");
    });
    sleep(0s);
    library.call(0, "just in time");
    asking.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: stop");
  });
  EXPECT_EQ(events, Trace{"just in time"});
}

TEST_P(BridgeCancelTest, ATimeoutAsksTheCancellerAndWillFireStillWaits) {
  run([&] {
    auto asking = create_task([&] { return ask(Cancel::will_fire, {.timeout = 2s, .name = "cam"}); });
    sleep(5s);
    EXPECT_EQ(events, (Trace{"cancel"}));
    EXPECT_FALSE(asking.done());
    here([this] { library.call(ECANCELED, ""); });
    const std::string ending = ending_of([&] { await(asking); });
    EXPECT_EQ(ending.substr(0, 58), "coir::TimeoutError: from_callback 'cam' at bridge_test.hpp") << ending;
    EXPECT_NE(ending.find("no callback came within 2 s"), std::string::npos) << ending;
    EXPECT_EQ(elapsed_ms(), 5000);
  });
}

TEST_P(BridgeCancelTest, ATimeoutThatPrefersTheResultReturnsIt) {
  run([&] {
    auto asking = create_task([&] { return ask(Cancel::will_fire, {.timeout = 2s, .prefer_result = true}); });
    sleep(5s);
    here([this] { library.call(0, "better late than never"); });
    EXPECT_EQ(await(asking), "better late than never");
  });
}

TEST_P(BridgeCancelTest, ACancellationOutranksATimeout) {
  run([&] {
    auto asking = create_task([&] { return ask(Cancel::will_fire, {.timeout = 2s}); });
    sleep(3s);
    asking.cancel("by hand");
    here([this] { library.call(ECANCELED, ""); });
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: by hand");
    auto other = create_task([&] { return ask(Cancel::will_fire, {.timeout = 2s}); });
    sleep(1s);
    other.cancel("first");
    sleep(5s);
    here([this] { library.call(ECANCELED, ""); });
    EXPECT_EQ(ending_of([&] { await(other); }), "CancelledError: first");
  });
  EXPECT_EQ(events, (Trace{"cancel", "cancel"}));
}

TEST_P(BridgeCancelTest, ATaskCancelledBeforeItWaitsStillAsksTheCanceller) {
  run([&] {
    auto asking = create_task([&] {
      current_task().cancel("early");
      ask(Cancel::stopped);
    });
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: early");
  });
  EXPECT_EQ(events, (Trace{"cancel"}));
}

TEST_P(BridgeCancelTest, AFutureWithWillFireIsCancelledWhenTheCallbackComes) {
  run([&] {
    auto future = future_from_callback<std::string>([&](auto done) {
      const auto cb = answer(std::move(done));
      library.ask(cb.fn, cb.ud);
      return [] { return Cancel::will_fire; };
    });
    EXPECT_TRUE(future.cancel("stop"));
    EXPECT_FALSE(future.done());
    here([this] { library.call(0, "x"); });
    EXPECT_EQ(ending_of([&] { await(future); }), "CancelledError: stop");
  });
}

// On the loop's thread a call arrives at once.
class BridgeCancelRaceTest : public BridgeTest {};
INSTANTIATE_TEST_SUITE_P(From, BridgeCancelRaceTest, ::testing::Values(Caller::thread));

TEST_P(BridgeCancelRaceTest, ACallOnItsWayFromAnotherThreadWhenTheWaitIsGivenUpIsLate) {
  auto payload = std::make_shared<int>(1);
  run([&] {
    std::shared_ptr<Completion<std::shared_ptr<int>>> done;
    auto asking = create_task([&] {
      from_callback<std::shared_ptr<int>>([&](auto d) { done = std::move(d).shared(); }, {.prefer_result = true});
    });
    sleep(0s);
    here([&] { (*done)(payload); });
    asking.cancel();
    sleep(0s);
    sleep(0s);
    EXPECT_TRUE(asking.cancelled());
    EXPECT_EQ(payload.use_count(), 1);
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(BridgeCancelTest, ATaskThatIsAskedToCancelWhatWaitsForItselfGivesWay) {
  run([&] {
    Task<void> asking;
    asking = create_task([&] {
      from_callback<std::string>([&](auto done) {
        const auto cb = answer(std::move(done));
        library.ask(cb.fn, cb.ud);
        return [&] {
          asking.cancel("round");
          return Cancel::will_fire;
        };
      });
    });
    sleep(0s);
    asking.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(asking); }), "CancelledError: round");
    EXPECT_EQ(abandoned(), 1U);
    here([this] { library.call(0, "late"); });
  });
}

}  // namespace
}  // namespace coir::test
