// SPDX-License-Identifier: MIT
#include "bridge_test.hpp"

#include <coir/stream.hpp>

#include <memory>
#include <stdexcept>
#include <vector>

namespace coir::test {
namespace {

class StreamTest : public BridgeTest {
 protected:
  using Item = void(int, void*);

  Stream<int> numbers(StreamOptions options = {}, Cancel at_close = Cancel::stopped) {
    return stream_from_callback<int>(
        [&](auto emitter) {
          const auto cb = std::move(emitter).template c<Item>([](auto& e, int n) {
            if (n < 0) {
              e.close();
            } else {
              e(n);
            }
          });
          item_ = cb.fn;
          user_ = cb.ud;
          return [this, at_close] {
            trace("unsubscribe");
            return at_close;
          };
        },
        options);
  }
  void emit(int n) { item_(n, user_); }
  void emit_range(int first, int last) {
    for (int n = first; n <= last; ++n) emit(n);
  }
  static std::vector<int> drain(Stream<int>& stream) {
    std::vector<int> all;
    while (const auto n = stream.next()) all.push_back(*n);
    return all;
  }

 private:
  Item* item_ = nullptr;
  void* user_ = nullptr;
};
COIR_FROM_BOTH_SIDES(StreamTest);

using Numbers = std::vector<int>;

TEST_P(StreamTest, GivesWhatComesInOrderAndEndsWhereTheProducerEnds) {
  run([&] {
    auto stream = numbers();
    later([this] {
      emit_range(1, 3);
      emit(-1);
    });
    EXPECT_EQ(drain(stream), (Numbers{1, 2, 3}));
    EXPECT_FALSE(stream.next());
    wait_for_threads();
    here([this] { emit(4); });
  });
  EXPECT_EQ(events, (Trace{"unsubscribe"}));
  EXPECT_EQ(twice(), 1U);
}

TEST_P(StreamTest, ItemsThatCameInsideTheInitiatingCallWait) {
  run([&] {
    auto stream = stream_from_callback<int, std::string>([&](auto emit) {
      here([&] {
        emit(1, "one");
        emit(2, "two");
      });
    });
    EXPECT_EQ(turns_of([&] {
                EXPECT_EQ(stream.next(), (std::tuple<int, std::string>(1, "one")));
                EXPECT_EQ(stream.next(), (std::tuple<int, std::string>(2, "two")));
                EXPECT_FALSE(stream.next());  // the emitter was destroyed: the end
              }),
              0U);
  });
}

TEST_P(StreamTest, AConsumerThatWaitsIsWokenThroughTheReadyQueue) {
  run([&] {
    auto stream = numbers();
    auto consumer = create_task([&] {
      EXPECT_EQ(stream.next(), 5);
      trace("got it");
    });
    sleep(0s);
    get_running_loop().call_soon(note("ready before"));
    here([this] { emit(5); });
    trace("emitted");
    await(consumer);
    stream.close();
  });
  EXPECT_EQ(events, (Trace{"emitted", "ready before", "got it", "unsubscribe"}));
}

TEST_P(StreamTest, AFailureComesBehindTheItemsAndOnce) {
  run([&] {
    auto stream = stream_from_callback<int>([&](auto emit) {
      later([emit = std::move(emit).shared()] {
        (*emit)(1);
        emit->fail(std::out_of_range("producer"));
      });
    });
    EXPECT_EQ(stream.next(), 1);
    EXPECT_THROW(stream.next(), std::out_of_range);
    EXPECT_FALSE(stream.next());
  });
}

TEST_P(StreamTest, WhatAMapperThrowsEndsTheStream) {
  run([&] {
    auto stream = stream_from_callback<int>([&](auto emit) {
      const auto cb = std::move(emit).template c<void(int, void*)>([](auto&, int) { throw std::out_of_range("mapper"); });
      later([cb] { cb.fn(1, cb.ud); });
    });
    EXPECT_THROW(stream.next(), std::out_of_range);
  });
}

TEST_P(StreamTest, DropOldestKeepsTheNewest) {
  run([&] {
    auto stream = numbers({.capacity = 3, .overflow = drop_oldest});
    here([this] {
      emit_range(1, 5);
      emit(-1);
    });
    EXPECT_EQ(drain(stream), (Numbers{3, 4, 5}));
    EXPECT_EQ(stream.dropped(), 2U);
  });
}

TEST_P(StreamTest, DropNewestKeepsTheOldest) {
  run([&] {
    auto stream = numbers({.capacity = 3, .overflow = drop_newest});
    here([this] {
      emit_range(1, 5);
      emit(-1);
    });
    EXPECT_EQ(drain(stream), (Numbers{1, 2, 3}));
    EXPECT_EQ(stream.dropped(), 2U);
  });
}

TEST_P(StreamTest, FailEndsItWithAnErrorBehindWhatWaits) {
  run([&] {
    auto stream = numbers({.capacity = 3, .overflow = coir::fail, .name = "ticks"});
    here([this] { emit_range(1, 5); });
    for (int n = 1; n <= 3; ++n) EXPECT_EQ(stream.next(), n);
    const std::string ending = ending_of([&] { stream.next(); });
    EXPECT_EQ(ending.substr(0, 66), "coir::StreamOverflow: stream_from_callback 'ticks' at stream_test.") << ending;
    EXPECT_NE(ending.find("3 items wait and another one came. Take them faster, raise StreamOptions::capacity, or choose"),
              std::string::npos);
    EXPECT_FALSE(stream.next());
    EXPECT_EQ(stream.dropped(), 2U);
    here([this] { emit(6); });
    EXPECT_EQ(stream.dropped(), 3U);
  });
  EXPECT_EQ(twice() + late(), 0U);
}

TEST_P(StreamTest, PauseStopsTheProducerAndLosesNothing) {
  run([&] {
    auto stream = numbers({.capacity = 4, .overflow = pause{note("stop"), note("go")}});
    here([this] { emit_range(1, 4); });
    let_posts_arrive();
    EXPECT_EQ(events, (Trace{"stop"}));
    here([this] { emit(5); });  // it was on its way
    let_posts_arrive();
    EXPECT_EQ(stream.next(), 1);
    EXPECT_EQ(stream.next(), 2);
    EXPECT_EQ(events, (Trace{"stop"}));
    EXPECT_EQ(stream.next(), 3);
    EXPECT_EQ(events, (Trace{"stop", "go"}));
    here([this] {
      emit_range(6, 7);
      emit(-1);
    });
    let_posts_arrive();
    EXPECT_EQ(drain(stream), (Numbers{4, 5, 6, 7}));
  });
  EXPECT_EQ(events, (Trace{"stop", "go", "stop", "go", "unsubscribe"}));
}

TEST_P(StreamTest, EightThreadsAtOnceLoseNothing) {
  constexpr int producers = 8;
  constexpr int each = 500;
  run([&] {
    auto stream = numbers({.capacity = producers * each});
    std::vector<std::thread> threads;
    std::atomic<int> left{producers};
    static_cast<void>(loop().run_in_executor([&] {  // so that the virtual clock waits for them
      for (int i = 0; i < producers; ++i) {
        threads.emplace_back([&, i] {
          for (int n = 0; n < each; ++n) emit(i * each + n);
          if (--left == 0) emit(-1);
        });
      }
      for (auto& thread : threads) thread.join();
    }));
    Numbers last(producers, -1);
    int count = 0;
    while (const auto n = stream.next()) {
      const auto producer = static_cast<std::size_t>(*n / each);
      EXPECT_GT(*n, last[producer]);
      last[producer] = *n;
      ++count;
    }
    EXPECT_EQ(count, producers * each);
    wait_for_threads();
  });
}

TEST_P(StreamTest, ACancelledNextLosesNoItem) {
  run([&] {
    auto stream = numbers();
    auto consumer = create_task([&] { stream.next(); });
    sleep(0s);
    consumer.cancel();
    here([this] { emit(1); });
    sleep(0s);
    EXPECT_TRUE(consumer.cancelled());
    EXPECT_EQ(stream.next(), 1);
  });
}

TEST_P(StreamTest, OnlyOneTaskMayWait) {
  run([&] {
    auto stream = numbers();
    auto consumer = create_task([&] { EXPECT_EQ(stream.next(), 1); });
    sleep(0s);
    expect_usage_error(Reason::stream_in_use, "next() while another task waits in it", [&] { stream.next(); });
    here([this] { emit(1); });
    await(consumer);
  });
}

TEST_P(StreamTest, WhatComesBehindTheConsumersEndIsTakenAndDestroyed) {
  auto payload = std::make_shared<int>(1);
  run([&] {
    std::shared_ptr<Emitter<std::shared_ptr<int>>> emitter;
    {
      auto stream = stream_from_callback<std::shared_ptr<int>>([&](auto emit) { emitter = std::move(emit).shared(); });
      here([&] { (*emitter)(payload); });
      EXPECT_EQ(payload.use_count(), 2);
    }
    EXPECT_EQ(payload.use_count(), 1);
    here([&] { EXPECT_FALSE((*emitter)(payload)); });
    EXPECT_EQ(payload.use_count(), 1);
    EXPECT_EQ(abandoned(), 1U);
    here([&] { emitter.reset(); });
    EXPECT_EQ(abandoned(), 0U);
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(StreamTest, ARefusedUnsubscriptionLeavesATicketThatAbsorbsWhatComes) {
  run([&] {
    { auto stream = numbers({}, Cancel::refused); }
    EXPECT_EQ(abandoned(), 1U);
    here([this] {
      emit_range(1, 3);
      emit(-1);
    });
    EXPECT_EQ(abandoned(), 0U);
    here([this] { emit(4); });
  });
  EXPECT_EQ(late(), 4U);
}

TEST_P(StreamTest, AStoppedOneLeavesNothing) {
  run([&] {
    { auto stream = numbers({}, Cancel::stopped); }
    EXPECT_EQ(abandoned(), 0U);
    here([this] { emit(1); });
  });
  EXPECT_EQ(late(), 1U);
}

TEST_P(StreamTest, CloseWaitsForAProducerThatWillEnd) {
  run([&] {
    auto closing = create_task([&] {
      auto stream = numbers({}, Cancel::will_fire);
      stream.close();
      trace("closed");
      sleep(1s);
      trace("not reached");
    });
    sleep(0s);
    sleep(1s);
    EXPECT_EQ(events, (Trace{"unsubscribe"}));
    closing.cancel("stop");
    sleep(0s);
    EXPECT_FALSE(closing.done());
    here([this] {
      emit(1);
      emit(-1);
    });
    EXPECT_EQ(ending_of([&] { await(closing); }), "CancelledError: stop");
  });
  EXPECT_EQ(events, (Trace{"unsubscribe", "closed"}));
  EXPECT_EQ(late(), 0U);
}

TEST_P(StreamTest, ALoopThatClosesFirstLeavesThemHarmless) {
  std::optional<Stream<int>> stream;
  std::shared_ptr<Emitter<int>> emitter;
  {
    EventLoop real;
    real.call_soon([&] {
      stream.emplace(stream_from_callback<int>([&](auto emit) { emitter = std::move(emit).shared(); }));
      real.stop();
    });
    real.run_forever();
  }
  here([&] { EXPECT_FALSE((*emitter)(1)); });
  stream.reset();
  here([&] { emitter.reset(); });
  EXPECT_EQ(after_close(), 1U);
}

TEST_P(StreamTest, RefusesARoomForNobody) {
  run([&] { EXPECT_THROW(static_cast<void>(numbers({.capacity = 0})), std::invalid_argument); });
}

}  // namespace
}  // namespace coir::test
