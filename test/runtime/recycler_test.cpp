// SPDX-License-Identifier: MIT
// Which blocks a thread keeps, which it gives to others, and when they go back to the heap.
#include "runtime_test.hpp"

#include <coir/detail/recycler.hpp>

#include <allocation_counter.hpp>

#include <dlfcn.h>
#include <sys/epoll.h>

#include <cstddef>
#include <ctime>
#include <new>
#include <thread>

namespace coir::test {
namespace {

/// Stands still, except while the loop sleeps: then it moves on by as long as that was to last, and no time passes.
class SleepersClock final : public Clock {
 public:
  TimePoint now() override { return now_; }
  bool jump_to(TimePoint) override { return false; }
  bool is_virtual() const noexcept override { return false; }
  void sleep(Duration duration) {
    sleeps.push_back(duration);
    now_ += duration;
  }
  std::vector<Duration> sleeps;

 private:
  TimePoint now_{std::chrono::hours(1)};
};

SleepersClock* sleepers_clock = nullptr;  // null: sleeping takes time

/// An object of `bytes`: of a class that nothing else in this program uses, and each test its own, because the depot is
/// the process's.
template <std::size_t bytes>
struct Item : detail::Recycled {
  static constexpr std::size_t base = detail::Recycler::base_bytes / bytes;
  std::byte filling[bytes];
};
constexpr std::size_t depot_blocks = 64 * 64;

template <class T>
std::vector<T*> make(std::size_t count) {
  std::vector<T*> items(count);
  for (T*& item : items) item = new T;
  return items;
}
template <class T>
void drop(const std::vector<T*>& items) {
  for (T* item : items) delete item;
}

/// Runs fn() on a thread that has made and freed nothing yet. Nobody else allocates meanwhile.
template <class Fn>
void on_fresh_thread(Fn fn) {
  std::thread(std::move(fn)).join();
}

class RecyclerTest : public RuntimeTest {
 protected:
  void SetUp() override {
    if (!COIR_RECYCLE) GTEST_SKIP() << "a sanitizer is to see every block: nothing is recycled";
  }
};

TEST_F(RecyclerTest, AThreadThatFreesWhatItHasMadeKeepsAllOfIt) {  // K2
  on_fresh_thread([] {
    EventLoop loop;
    std::vector<Future<int>> futures;
    futures.reserve(10'000);
    const auto round = [&] {
      for (int i = 0; i < 10'000; ++i) futures.push_back(loop.create_future<int>());
      futures.clear();
    };
    EXPECT_GE(allocations_of(round), 10'000U - depot_blocks) << "what other tests have left there";
    EXPECT_EQ(allocations_of(round), 0U);
    EXPECT_EQ(allocations_of(round), 0U);
  });
}

TEST_F(RecyclerTest, TrimGivesSevenEighthsOfTheExcessBack) {  // K2
  using Block = Item<352>;
  on_fresh_thread([] {
    drop(make<Block>(Block::base));
    EXPECT_FALSE(detail::recycler.has_excess()) << "so much is kept for good";
    drop(make<Block>(Block::base + 8000));
    std::vector<std::size_t> given_back;
    while (detail::recycler.has_excess() && given_back.size() < 20) {
      const std::size_t before = allocations.outstanding;
      detail::recycler.trim();
      given_back.push_back(before - allocations.outstanding);
    }
    EXPECT_EQ(given_back, (std::vector<std::size_t>{7000, 875, 110, 14, 1}));
    std::vector<Block*> items;
    EXPECT_EQ(allocations_of([&] { items = make<Block>(Block::base); }), 1U) << "the vector";
    drop(items);
  });
}

TEST_F(RecyclerTest, ALoopThatGoesToSleepGivesTheExcessBackAndThenSleepsUnbounded) {  // K2, P9
  using Block = Item<384>;
  SleepersClock sleepers;
  on_fresh_thread([&] {
    EventLoop loop(LoopOptions{.clock = &sleepers});
    drop(make<Block>(Block::base + 64));
    sleepers_clock = &sleepers;
    loop.run_until_complete([] { sleep(1h); });
    sleepers_clock = nullptr;
    std::vector<Block*> items(Block::base + 64);
    EXPECT_EQ(allocations_of([&] {
                for (Block*& item : items) item = new Block;
              }),
              64U);
    drop(items);
  });
  EXPECT_EQ(sleepers.sleeps, (std::vector<Duration>{1s, 1s, Duration(1h) - 2s})) << "56, 7 and 1 blocks";
}

TEST_F(RecyclerTest, WhatOneThreadMakesAndAnotherFreesComesBackThroughTheDepot) {  // K3
  using Block = Item<416>;
  constexpr std::size_t burst = 3200;
  on_fresh_thread([] { drop(make<Block>(depot_blocks)); });  // which empties the depot
  std::vector<std::size_t> made;
  std::vector<Block*> items;
  const auto make_burst = [&] {
    items.reserve(burst);
    made.push_back(allocations_of([&] {
      for (std::size_t i = 0; i < burst; ++i) items.push_back(new Block);
    }));
  };
  on_fresh_thread([&] {
    drop(make<Block>(1));
    for (int round = 0; round < 3; ++round) {
      on_fresh_thread(make_burst);
      drop(items);
      items.clear();
    }
  });
  EXPECT_EQ(made.at(0), burst);
  // What the one that frees keeps for itself is made anew, and what has not filled a batch.
  EXPECT_LE(made.at(1), Block::base + 64);
  EXPECT_LE(made.at(2), 64U);
}

TEST_F(RecyclerTest, CallbacksPostedByAnotherThreadAreSoonMadeOfThoseThatHaveRun) {  // K3
  run([&] {
    std::vector<std::size_t> made;
    for (int round = 0; round < 4; ++round) {
      on_fresh_thread([&] {
        made.push_back(allocations_of([&] {
          for (int i = 0; i < 4000; ++i) loop().call_soon_threadsafe([] {});
        }));
      });
      sleep(0s);
      sleep(0s);
    }
    EXPECT_LE(made.at(3), 200U) << "of 4,000";
  });
}

TEST_F(RecyclerTest, TheDepotIsBounded) {  // K3
  using Block = Item<448>;
  std::vector<Block*> items;
  on_fresh_thread([&] { items = make<Block>(20'000); });
  on_fresh_thread([&] {
    const std::size_t before = allocations.outstanding;
    drop(items);
    const std::size_t kept = 20'000 - (before - allocations.outstanding);
    EXPECT_LE(kept, Block::base + depot_blocks);
    EXPECT_GE(kept, depot_blocks) << "and used";
  });
}

/// Frees what it holds when the thread ends.
template <class T>
struct AtThreadEnd {
  ~AtThreadEnd() { delete item; }
  T* item = nullptr;
};

TEST_F(RecyclerTest, AThreadThatEndsGivesAllBack) {  // K4
  using Block = Item<480>;
  const std::size_t before = allocations.outstanding;
  on_fresh_thread([] {
    // Older than what empties the free lists, so that it goes behind that.
    thread_local AtThreadEnd<Block> late;
    late.item = new Block;
    drop(make<Block>(5000));
  });
  EXPECT_EQ(allocations.outstanding, before);
}

TEST_F(RecyclerTest, AnyBlockMayGoToTheHeapAndAnyOfTheHeapMayBeRecycled) {  // K1
  using Block = Item<512>;
  const std::size_t before = allocations.outstanding;
  on_fresh_thread([] {
    for (int i = 0; i < 100; ++i) {
      void* volatile block = new Block;  // volatile: compilers warn of what is tested here
      ::operator delete(block);
      block = ::operator new(sizeof(Block));
      delete static_cast<Block*>(block);
    }
  });
  EXPECT_EQ(allocations.outstanding, before);
}

}  // namespace
}  // namespace coir::test

#if COIR_RECYCLE
// Instead of the C library's: what a loop calls when it has nothing to do before a deadline.
extern "C" int epoll_pwait2(int epoll_fd, epoll_event* events, int capacity, const timespec* timeout,
                            const sigset_t* mask) {
  using coir::test::sleepers_clock;
  if (sleepers_clock != nullptr && timeout != nullptr) {
    sleepers_clock->sleep(std::chrono::seconds(timeout->tv_sec) + std::chrono::nanoseconds(timeout->tv_nsec));
    return 0;
  }
  static const auto original = reinterpret_cast<decltype(&epoll_pwait2)>(::dlsym(RTLD_NEXT, "epoll_pwait2"));
  return original(epoll_fd, events, capacity, timeout, mask);
}
#endif
