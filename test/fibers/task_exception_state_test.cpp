// SPDX-License-Identifier: MIT
// Promise P4: await is defined in catch blocks, during unwinding, in destructors and across a rethrow.
#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <exception>
#include <memory>
#include <random>
#include <stdexcept>

#include "fiber_support.hpp"
#include "loop_test.hpp"

namespace coir {
namespace {

using namespace std::chrono_literals;
using coir::test::under_asan;
using coir::test::under_tsan;

class TaskExceptionState : public test::LoopTest {
 protected:
  static std::string current_what() {
    try {
      throw;
    } catch (const std::exception& error) {
      return error.what();
    }
  }
};

/// What a scope guard for failures does: compares the count at its end with the one at its beginning.
struct ScopeGuard {
  std::vector<std::string>& events;
  std::string name;
  int at_entry = std::uncaught_exceptions();
  ~ScopeGuard() { events.push_back(name + (std::uncaught_exceptions() > at_entry ? " failed" : " succeeded")); }
};

TEST_F(TaskExceptionState, AwaitInACatchBlockKeepsTheException) {
  run([&] {
    auto other = create_task([&] {
      EXPECT_EQ(std::current_exception(), nullptr);
      try {
        throw std::runtime_error("other");
      } catch (...) {
        sleep(2ms);
        EXPECT_EQ(current_what(), "other");
      }
    });
    try {
      throw std::runtime_error("mine");
    } catch (const std::runtime_error& error) {
      const auto before = std::current_exception();
      sleep(1ms);
      EXPECT_STREQ(error.what(), "mine");
      EXPECT_EQ(std::current_exception(), before);
      sleep(5ms);
      EXPECT_EQ(current_what(), "mine");
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    await(other);
  });
}

TEST_F(TaskExceptionState, RethrowAfterAnAwaitFailsTheTaskWithItsOwnException) {
  run([&] {
    const auto failing = [](const char* what, auto delay) {
      return create_task([what, delay] {
        try {
          throw std::runtime_error(what);
        } catch (...) {
          sleep(delay);
          throw;
        }
      });
    };
    auto slow = failing("slow", 3ms);
    auto fast = failing("fast", 1ms);
    try {
      await(fast);
      ADD_FAILURE();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "fast");
      try {
        await(slow);
        ADD_FAILURE();
      } catch (const std::runtime_error& inner) {
        EXPECT_STREQ(inner.what(), "slow");
      }
      EXPECT_EQ(current_what(), "fast");
    }
  });
}

TEST_F(TaskExceptionState, NestedExceptionsSurviveAwaits) {
  run([&] {
    auto task = create_task([] {
      try {
        throw std::runtime_error("cause");
      } catch (...) {
        sleep(1ms);
        std::throw_with_nested(std::logic_error("effect"));
      }
    });
    try {
      await(task);
      ADD_FAILURE();
    } catch (const std::logic_error& effect) {
      sleep(1ms);
      try {
        std::rethrow_if_nested(effect);
        ADD_FAILURE();
      } catch (const std::runtime_error& cause) {
        sleep(1ms);
        EXPECT_STREQ(cause.what(), "cause");
      }
      EXPECT_EQ(current_what(), "effect");
    }
  });
}

TEST_F(TaskExceptionState, ATaskCreatedInACatchBlockStartsWithNoException) {
  run([&] {
    try {
      throw std::runtime_error("mine");
    } catch (...) {
      auto child = create_task([] {
        EXPECT_EQ(std::current_exception(), nullptr);
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        sleep(1ms);
        EXPECT_EQ(std::current_exception(), nullptr);
      });
      await(child);
      EXPECT_EQ(current_what(), "mine");
    }
  });
}

TEST_F(TaskExceptionState, CallbacksDoNotSeeTheExceptionOfASuspendedTask) {
  run([&] {
    try {
      throw std::runtime_error("mine");
    } catch (...) {
      loop().call_soon([&] {
        EXPECT_EQ(std::current_exception(), nullptr);
        trace("callback");
      });
      sleep(1ms);
      EXPECT_EQ(current_what(), "mine");
    }
  });
  EXPECT_EQ(events, test::Trace{"callback"});
}

TEST_F(TaskExceptionState, AwaitInADestructorDuringUnwindingKeepsTheCount) {
  struct AwaitsAtEnd {
    test::Trace& events;
    ~AwaitsAtEnd() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      sleep(2ms);
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      {
        const ScopeGuard guard{events, "inside the destructor"};
        sleep(1ms);
      }
      try {
        throw std::logic_error("caught within");
      } catch (const std::logic_error&) {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        sleep(1ms);
        EXPECT_EQ(current_what(), "caught within");
      }
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  run([&] {
    auto unwinding = create_task([&] {
      const ScopeGuard guard{events, "unwinding"};
      const AwaitsAtEnd last{events};
      throw std::runtime_error("on its way");
    });
    auto calm = create_task([&] {
      sleep(1ms);
      EXPECT_EQ(std::uncaught_exceptions(), 0) << "the other task's is not ours";
      const ScopeGuard guard{events, "calm"};
      sleep(10ms);
    });
    EXPECT_THROW(await(unwinding), std::runtime_error);
    await(calm);
  });
  EXPECT_EQ(events, (test::Trace{"inside the destructor succeeded", "unwinding failed", "calm succeeded"}));
}

TEST_F(TaskExceptionState, ManyTasksUnwindingAtOnceEndWithTheirOwnException) {
  struct Slow {
    int turns;
    ~Slow() {
      for (int i = 0; i < turns; ++i) {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        sleep(0s);
      }
    }
  };
  run([&] {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 50; ++i) {
      tasks.push_back(create_task([i] {
        const Slow first{i % 7};
        const Slow second{i % 5};
        throw i;
      }));
    }
    for (int i = 0; i < 50; ++i) {
      try {
        await(tasks[static_cast<std::size_t>(i)]);
        ADD_FAILURE();
      } catch (int value) {
        EXPECT_EQ(value, i);
      }
    }
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
}

// Thousands of interleaved handlers; with shared exception state this corrupts the heap within a few switches.
TEST_F(TaskExceptionState, AThousandTasksThrowAwaitInCatchAndRethrow) {
  const int count = under_tsan ? 300 : 1000;  // TSan keeps megabytes for each fiber
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  int done = 0;
  const auto live = std::make_shared<int>(0);
  struct Counted : std::runtime_error {
    Counted(int number, std::shared_ptr<int> token)
        : std::runtime_error(std::to_string(number)), alive(std::move(token)) {}
    std::shared_ptr<int> alive;
  };
  run([&] {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < count; ++i) {
      tasks.push_back(create_task([&, i] {
        const std::string own = std::to_string(i);
        for (int round = 0; round < 5; ++round) {
          try {
            try {
              throw Counted(i, live);
            } catch (const Counted&) {
              sleep(std::chrono::milliseconds(random() % 4));
              EXPECT_EQ(current_what(), own);
              if (random() % 2 == 0) {
                try {
                  throw std::logic_error(own + " inner");
                } catch (const std::logic_error&) {
                  sleep(std::chrono::milliseconds(random() % 4));
                  EXPECT_EQ(current_what(), own + " inner");
                }
              }
              EXPECT_EQ(current_what(), own);
              throw;
            }
          } catch (const std::runtime_error& error) {
            sleep(std::chrono::milliseconds(random() % 4));
            EXPECT_EQ(error.what(), own);
          }
          EXPECT_EQ(std::current_exception(), nullptr);
        }
        ++done;
      }));
    }
    for (const auto& task : tasks) await(task);
  });
  EXPECT_EQ(done, count);
  EXPECT_EQ(live.use_count(), 1) << "every exception object was destroyed, once";
}

TEST(TaskExceptionStateRun, TheCallersExceptionIsThereAgainAfterRun) {
  try {
    throw 5;
  } catch (int) {
    const int result = coir::run([] {
      EXPECT_EQ(std::current_exception(), nullptr) << "a task starts clean, wherever its loop runs";
      try {
        throw 6;
      } catch (int value) {
        sleep(0s);
        return value;
      }
    });
    EXPECT_EQ(result, 6);
    try {
      throw;
    } catch (int value) {
      EXPECT_EQ(value, 5);
    }
  }
}

}  // namespace
}  // namespace coir
