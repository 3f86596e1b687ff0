// SPDX-License-Identifier: MIT
// Tasks that contend for locks and are cancelled, in every turn and at random. A lost wake-up shows as a deadlock,
// which run() reports with who waits on what.
#include "locks_test.hpp"

#include <cstdlib>
#include <functional>
#include <iostream>
#include <random>
#include <set>

namespace coir::test {
namespace {

/// Checks that at most `limit` are inside at once.
class Section {
 public:
  explicit Section(int& inside, int limit = 1) : inside_(inside) { EXPECT_LE(++inside_, limit) << "too many inside"; }
  ~Section() { --inside_; }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

 private:
  int& inside_;
};

class LocksStressTest : public LocksTest {
 protected:
  using Body = std::function<void()>;

  int pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  /// Starts the bodies, which may end cancelled, and waits for them; in between, as a callback of turn `turn`, cancels
  /// one. Run for each of the first `victims` and every turn until it is done by then.
  void cancel_each_in_every_turn(std::size_t victims, const std::function<std::vector<Body>()>& make,
                                 const std::function<void()>& check) {
    std::size_t hits = 0;
    for (std::size_t victim = 0; victim < victims; ++victim) {
      bool hit = true;
      for (int turn = 0; hit && !HasFailure(); ++turn) {
        for (const bool twice : {false, true}) {
          hit = false;
          const std::vector<Body> bodies = make();
          run([&] {
            std::vector<Task<void>> tasks;
            for (const Body& body : bodies) tasks.push_back(create_task(body));
            std::function<void(int)> countdown = [&](int turns) {
              if (turns > 0) {
                loop().call_soon([&, turns] { countdown(turns - 1); });
              } else {
                hit = tasks[victim].cancel("first");
                if (twice) loop().call_soon([&] { tasks[victim].cancel("second"); });
              }
            };
            countdown(turn);
            await(gather(return_exceptions, tasks));
          });
          run_ready();
          check();
          hits += hit;
          EXPECT_FALSE(HasFailure()) << "victim " << victim << ", turn " << turn << (twice ? ", twice" : "");
        }
      }
    }
    EXPECT_GT(hits, 20U);
  }

  void random_contention(std::uint32_t seed) {
    random_.seed(seed);
    Lock lock;
    BoundedSemaphore semaphore(2);
    Condition condition(lock);
    int holders = 0;
    int permits = 0;
    int produced = 0;
    int consumed = 0;
    bool over = false;
    const auto maybe_wait = [&] {
      if (pick(3) != 0) sleep(std::chrono::milliseconds(pick(3)));
    };
    const auto actor = [&] {
      while (!over) {
        switch (pick(5)) {
          case 0: {
            const std::scoped_lock held(lock);
            const Section section(holders);
            maybe_wait();
            break;
          }
          case 1: {
            const std::scoped_lock permit(semaphore);
            const Section section(permits, 2);
            EXPECT_LE(semaphore.value() + permits, 2);
            maybe_wait();
            break;
          }
          case 2: {
            const std::scoped_lock held(condition);
            const Section section(holders);
            ++produced;
            condition.notify();
            maybe_wait();
            break;
          }
          case 3: {
            std::unique_lock held(condition);
            condition.wait(held, [&] { return over || consumed < produced; });
            const Section section(holders);
            if (!over) ++consumed;
            break;
          }
          default:
            maybe_wait();
            if (lock.try_lock()) {
              const std::lock_guard held(lock, std::adopt_lock);
              const Section section(holders);
              maybe_wait();
            }
        }
        maybe_wait();
      }
    };
    run([&] {
      std::vector<Task<void>> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(create_task([&] {
          while (!over) {
            try {
              actor();
            } catch (const CancelledError&) {  // and on
            }
          }
        }));
      }
      // One that always produces, so that consumers go on.
      tasks.push_back(create_task([&] {
        while (!over) {
          sleep(1ms);
          const std::scoped_lock held(condition);
          ++produced;
          condition.notify();
        }
      }));
      for (int i = 0; i < 60; ++i) {
        turn();
        if (pick(4) == 0) sleep(1ms);
        tasks[static_cast<std::size_t>(pick(8))].cancel();
        if (pick(3) == 0) tasks[static_cast<std::size_t>(pick(8))].cancel();
      }
      over = true;
      {
        const std::scoped_lock held(condition);
        condition.notify_all();
      }
      await(gather(tasks));
    });
    EXPECT_FALSE(lock.locked()) << "seed " << seed;
    EXPECT_EQ(semaphore.value(), 2) << "seed " << seed;
    EXPECT_FALSE(semaphore.locked()) << "seed " << seed;
    EXPECT_LE(consumed, produced) << "seed " << seed;
  }

  void random_barrier(std::uint32_t seed) {
    random_.seed(seed);
    const int parties = 1 + pick(4);
    Barrier barrier(parties);
    std::set<std::size_t> numbers;  // of one release
    bool over = false;
    int inside = 0;
    int passed = 0;
    run([&] {
      std::vector<Task<void>> tasks;
      for (int i = 0; i < parties + 3; ++i) {
        tasks.push_back(create_task([&] {
          while (!over) {
            try {
              const Section section(inside, parties + 3);
              const std::size_t number = barrier.wait();
              if (number == barrier.parties() - 1) numbers.clear();  // the last to arrive is the first to return
              EXPECT_TRUE(numbers.insert(number).second) << "number " << number << " twice";
              EXPECT_LT(number, barrier.parties());
              ++passed;
            } catch (const CancelledError&) {
            } catch (const BrokenBarrierError&) {
            }
            sleep(std::chrono::milliseconds(pick(3)));
          }
        }));
      }
      for (int i = 0; i < 60; ++i) {
        turn();
        if (pick(2) == 0) sleep(1ms);
        if (pick(3) == 0) tasks[static_cast<std::size_t>(pick(parties + 3))].cancel();
        if (pick(20) == 0) barrier.reset();
        if (pick(20) == 0) barrier.abort();
        if (barrier.broken() && pick(3) == 0) barrier.reset();
        EXPECT_LT(barrier.n_waiting(), barrier.parties());
      }
      over = true;
      for (const auto& task : tasks) task.cancel();
      await(gather(return_exceptions, tasks));
      if (barrier.broken()) barrier.reset();
      EXPECT_EQ(barrier.n_waiting(), 0U) << "seed " << seed;
    });
    EXPECT_EQ(inside, 0) << "seed " << seed;
    EXPECT_GT(passed, 0) << "seed " << seed;
  }

  std::mt19937 random_;
};

// K1, K2.
TEST_F(LocksStressTest, ALockSurvivesACancellationInAnyTurn) {
  std::unique_ptr<Lock> lock;
  int inside = 0;
  cancel_each_in_every_turn(
      4,
      [&] {
        lock = std::make_unique<Lock>();
        return std::vector<Body>(4, [&] {
          for (int i = 0; i < 2; ++i) {
            const std::scoped_lock held(*lock);
            const Section section(inside);
            turn();
          }
        });
      },
      [&] { EXPECT_FALSE(lock->locked()); });
}

// K4.
TEST_F(LocksStressTest, ASemaphoreSurvivesACancellationInAnyTurn) {
  std::unique_ptr<BoundedSemaphore> semaphore;
  int inside = 0;
  cancel_each_in_every_turn(
      5,
      [&] {
        semaphore = std::make_unique<BoundedSemaphore>(2);
        return std::vector<Body>(5, [&] {
          for (int i = 0; i < 2; ++i) {
            const std::scoped_lock permit(*semaphore);
            const Section section(inside, 2);
            turn();
          }
        });
      },
      [&] { EXPECT_EQ(semaphore->value(), 2); });
}

// K5, K6, K7: four items for three consumers, one of whom is cancelled: the others get them all.
TEST_F(LocksStressTest, AConditionSurvivesACancellationInAnyTurn) {
  std::unique_ptr<Condition> condition;
  int items = 0;
  int consumed = 0;
  int inside = 0;
  const auto consume = [&] {
    const std::scoped_lock held(*condition);
    try {
      while (consumed < 4) {
        condition->wait_for([&] { return items > 0 || consumed == 4; });
        const Section section(inside);
        if (consumed == 4) break;
        --items;
        if (++consumed == 4) condition->notify_all();
        turn();
      }
    } catch (const CancelledError&) {
      EXPECT_TRUE(condition->locked());
      const Section section(inside);
      throw;
    }
  };
  const auto produce = [&] {
    for (int i = 0; i < 4; ++i) {
      const std::scoped_lock held(*condition);
      const Section section(inside);
      ++items;
      condition->notify();
      turn();
    }
  };
  cancel_each_in_every_turn(
      3,
      [&] {
        condition = std::make_unique<Condition>();
        items = 0;
        consumed = 0;
        return std::vector<Body>{consume, consume, consume, produce};
      },
      [&] {
        EXPECT_EQ(consumed, 4);
        EXPECT_FALSE(condition->locked());
      });
}

TEST_F(LocksStressTest, ABarrierSurvivesACancellationInAnyTurn) {
  std::unique_ptr<Barrier> barrier;
  cancel_each_in_every_turn(
      5,
      [&] {
        barrier = std::make_unique<Barrier>(3);
        return std::vector<Body>(5, [&] {
          for (int i = 0; i < 3; ++i) {
            // With one cancelled the others may be too few at the end: the first to lose patience breaks it.
            try {
              wait_for([&] { barrier->wait(); }, 10ms);
            } catch (const TimeoutError&) {
              barrier->abort();
            } catch (const BrokenBarrierError&) {
            }
          }
        });
      },
      [&] { EXPECT_EQ(barrier->n_waiting(), 0U); });
}

TEST_F(LocksStressTest, RandomContentionLosesNothing) {
  const char* given = std::getenv("COIR_TEST_SEED");
  const auto seed =
      given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 0)) : std::random_device()();
  std::cout << "COIR_TEST_SEED=" << seed << '\n';
  for (std::uint32_t i = 0; i < 150 && !HasFailure(); ++i) {
    random_contention(seed + i);
    random_barrier(seed + i);
  }
}

}  // namespace
}  // namespace coir::test
