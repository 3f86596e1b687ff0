// SPDX-License-Identifier: MIT
// Bridges where there is no memory: the error is clear, and what the API was told, or given, is not lost.
#include "bridge_test.hpp"

#include <coir/stream.hpp>

#include <allocation_counter.hpp>

#include <array>
#include <new>
#include <utility>

namespace coir::test {
namespace {

/// While it lives there is no memory, not even of what was recycled.
class NoMemory {
 public:
  NoMemory() {
    allocations.refused = true;
    [this]<std::size_t... index>(std::index_sequence<index...>) {
      (take_all<(index + 1) * detail::Recycler::unit>(), ...);
    }(std::make_index_sequence<detail::Recycler::classes>());
  }
  NoMemory(const NoMemory&) = delete;
  NoMemory& operator=(const NoMemory&) = delete;
  ~NoMemory() {
    allocations.refused = false;
    while (taken_ != nullptr) {
      Base* const block = std::exchange(taken_, taken_->next);
      block->give_back();
    }
  }

 private:
  struct Base : detail::Recycled {
    virtual void give_back() noexcept = 0;
    Base* next = nullptr;

   protected:
    ~Base() = default;
  };
  template <std::size_t bytes>
  struct Block final : Base {
    void give_back() noexcept override { delete this; }
    std::byte rest[bytes - sizeof(Base)];
  };
  template <std::size_t bytes>
  void take_all() {
    try {
      for (;;) {
        auto* block = new Block<bytes>;
        block->next = std::exchange(taken_, block);
      }
    } catch (const std::bad_alloc&) {
    }
  }
  Base* taken_ = nullptr;
};

class BridgeMemoryTest : public BridgeTest {
 protected:
  void TearDown() override {
    allocations.largest = SIZE_MAX;
    BridgeTest::TearDown();
  }
};
INSTANTIATE_TEST_SUITE_P(From, BridgeMemoryTest, ::testing::Values(Caller::loop));

TEST_P(BridgeMemoryTest, WithoutAPlaceForItsTicketACallIsNotMadeAndItsMapperIsDestroyedOnce) {
  constexpr std::size_t most = 200'000;
  using Answer = void(int, void*);
  const auto mark = std::make_shared<int>(1);
  run([&] {
    std::vector<Future<int>> waiting;
    std::vector<CCallback<Answer>> asked;
    waiting.reserve(most);
    asked.reserve(most);
    const auto ask_once_more = [&] {
      waiting.push_back(future_from_callback<int>([&](auto done) {
        asked.push_back(std::move(done).template c<Answer>([mark](auto& d, int n) { d(n + *mark); }));
      }));
    };
    allocations.largest = 16 << 10;  // the places come in chunks of 64 KiB and more
    std::string ending = "returned";
    while (ending == "returned" && asked.size() < most) ending = ending_of(ask_once_more);
    allocations.largest = SIZE_MAX;
    EXPECT_EQ(ending, "std::bad_alloc: std::bad_alloc");
    EXPECT_EQ(waiting.size(), asked.size());
    EXPECT_EQ(static_cast<std::size_t>(mark.use_count()), asked.size() + 1);

    ask_once_more();  // and the table goes on
    for (const auto& cb : asked) cb.fn(41, cb.ud);
    for (auto& each : waiting) EXPECT_EQ(await(each), 42);
  });
  EXPECT_EQ(mark.use_count(), 1);
  EXPECT_EQ(abandoned(), 0U);
}

TEST_P(BridgeMemoryTest, WithoutMemoryForItsCancellerTheCallIsNotMade) {
  run([&] {
    allocations.largest = 4 << 10;
    EXPECT_EQ(ending_of([&] {
                from_callback<int>([&](auto done) {
                  trace("asked");
                  done(1);
                  return [big = std::array<char, 8 << 10>()] { return big[0] == 0 ? Cancel::stopped : Cancel::refused; };
                });
              }),
              "std::bad_alloc: std::bad_alloc");
    allocations.largest = SIZE_MAX;
  });
  EXPECT_EQ(events, Trace{});
}

TEST_P(BridgeMemoryTest, WithoutMemoryACancellerThatFailsCountsAsOneThatRefused) {
  run([&] {
    std::optional<NoMemory> no_memory;
    std::shared_ptr<Completion<int>> owner;
    EXPECT_THROW(from_callback<int>(
                     [&](auto done) {
                       owner = std::move(done).shared();
                       no_memory.emplace();
                       return [&]() -> Cancel { throw std::bad_alloc(); };
                     },
                     {.timeout = 1s}),
                 std::bad_alloc);
    no_memory.reset();
    EXPECT_EQ(abandoned(), 1U);
    owner.reset();
  });
}

TEST_P(BridgeMemoryTest, WithoutADeadlineAWaitNeedsNoMemory) {
  run([&] {
    std::optional<NoMemory> no_memory;
    EXPECT_EQ(from_callback<int>([&](auto done) {
                auto owner = std::move(done).shared();
                loop().call_soon([&, owner] {
                  no_memory.reset();
                  (*owner)(7);
                });
                no_memory.emplace();
              }),
              7);
  });
}

/// What the API was given, and cancels as it is told to.
struct Operation {
  std::shared_ptr<int> mark;
  std::function<void(int)> on_done;
};

TEST_P(BridgeMemoryTest, WithoutMemoryToWaitTheCancellerIsAskedAndWhatItStoppedIsFreed) {
  const auto mark = std::make_shared<int>(1);
  run([&] {
    std::optional<NoMemory> no_memory;
    EXPECT_EQ(ending_of([&] {
                from_callback<int>(
                    [&](auto done) {
                      Operation& operation = done.template keep<Operation>(mark, nullptr);
                      operation.on_done = [done = std::move(done).shared()](int n) { (*done)(n); };
                      no_memory.emplace();
                      return [&] {
                        no_memory.reset();
                        trace("stop");
                        operation.on_done = nullptr;
                        return Cancel::stopped;
                      };
                    },
                    {.timeout = 1s});
              }),
              "std::bad_alloc: std::bad_alloc");
    EXPECT_EQ(mark.use_count(), 1);
  });
  EXPECT_EQ(events, Trace{"stop"});
  EXPECT_EQ(abandoned(), 0U);
}

TEST_P(BridgeMemoryTest, WithoutMemoryToWaitACallbackThatWillFireIsStillWaitedFor) {
  run([&] {
    std::optional<NoMemory> no_memory;
    std::function<void()> fire;
    bool asked = false;
    EXPECT_EQ(ending_of([&] {
                int buffer = 0;  // on the task's stack, as will_fire allows
                from_callback<int>(
                    [&](auto done) {
                      fire = [&buffer, &no_memory, this, done = std::move(done).shared()] {
                        no_memory.reset();
                        buffer = 1;
                        trace("fired");
                        (*done)(buffer);
                      };
                      loop().call_soon([&] { fire(); });
                      no_memory.emplace();
                      return [&] {
                        asked = true;  // a trace would need memory
                        return Cancel::will_fire;
                      };
                    },
                    {.timeout = 1s});
              }),
              "std::bad_alloc: std::bad_alloc");
    trace("left");
    EXPECT_TRUE(asked);
    fire = nullptr;
  });
  EXPECT_EQ(events, (Trace{"fired", "left"}));
}

TEST_P(BridgeMemoryTest, WithoutMemoryToWaitWhatARefusedCallMayUseIsKept) {
  const auto mark = std::make_shared<int>(1);
  std::shared_ptr<Completion<int>> late_owner;
  run([&] {
    std::optional<NoMemory> no_memory;
    EXPECT_EQ(ending_of([&] {
                from_callback<int>(
                    [&](auto done) {
                      done.template keep<std::shared_ptr<int>>(mark);
                      late_owner = std::move(done).shared();
                      no_memory.emplace();
                      return [&] { no_memory.reset(); };
                    },
                    {.timeout = 1s});
              }),
              "std::bad_alloc: std::bad_alloc");
    EXPECT_EQ(mark.use_count(), 2);
    EXPECT_EQ(abandoned(), 1U);
    (*late_owner)(1);
    late_owner.reset();
  });
  EXPECT_EQ(late(), 1U);
  EXPECT_EQ(mark.use_count(), 1);
}

TEST_P(BridgeMemoryTest, WithoutMemoryForItsDeadlineAFutureIsNotMadeAndTheCancellerIsAsked) {
  run([&] {
    std::optional<NoMemory> no_memory;
    std::shared_ptr<Completion<int>> owner;
    EXPECT_EQ(ending_of([&] {
                static_cast<void>(future_from_callback<int>(
                    [&](auto done) {
                      owner = std::move(done).shared();
                      no_memory.emplace();
                      return [&] {
                        no_memory.reset();
                        trace("stop");
                        owner.reset();
                        return Cancel::stopped;
                      };
                    },
                    {.timeout = 1s}));
              }),
              "std::bad_alloc: std::bad_alloc");
  });
  EXPECT_EQ(events, Trace{"stop"});
}

TEST_P(BridgeMemoryTest, WithoutMemoryForItsItemsAStreamIsNotMade) {
  run([&] {
    // One allocation after the other fails: the bridge itself, then the queue in it.
    for (std::size_t largest = 64; largest < 1024; largest += 32) {
      allocations.largest = largest;
      const std::string ending = ending_of([&] {
        static_cast<void>(stream_from_callback<int>([&](auto emit) { emit.close(); },
                                                    {.name = "a name that does not fit into its object alone"}));
      });
      allocations.largest = SIZE_MAX;
      EXPECT_TRUE(ending == "returned" || ending == "std::bad_alloc: std::bad_alloc") << ending;
      EXPECT_TRUE(pending_bridges().empty());
    }
  });
}

}  // namespace
}  // namespace coir::test
