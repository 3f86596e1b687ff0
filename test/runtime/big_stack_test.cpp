// SPDX-License-Identifier: MIT
// run_on_big_stack: the room that it has, and that the code in it is the task's like any other.
#include "runtime_test.hpp"

#include <cerrno>
#include <cstring>

#include <coir/big_stack.hpp>
#include <coir/c_boundary.hpp>
#include <coir/sleep.hpp>

namespace coir::test {
namespace {

/// Uses that many bytes of stack, below the frame of the caller, and calls fn() at the bottom.
template <class Fn>
[[gnu::noinline]] void deep(std::size_t bytes, Fn&& fn) {
  volatile char frame[4096];
  std::memset(const_cast<char*>(frame), 1, sizeof frame);
  if (bytes > sizeof frame) {
    deep(bytes - sizeof frame, fn);
  } else {
    fn();
  }
  EXPECT_EQ(frame[0], 1);
}

constexpr std::size_t five_mib = std::size_t{5} << 20;

class BigStackTest : public RuntimeTest {};

TEST_F(BigStackTest, HasMegabytesAndAwaitsThere) {
  run([&] {
    run_on_big_stack([&] {
      deep(five_mib, [&] {
        sleep(1s);
        trace("deep at " + std::to_string(elapsed_ms()));
      });
    });
    trace("behind");
  });
  EXPECT_EQ(events, (Trace{"deep at 1000", "behind"}));
}

TEST_F(BigStackTest, ReturnsWhatIsReturnedAndThrowsWhatIsThrown) {
  run([&] {
    EXPECT_EQ(run_on_big_stack([] { return 7; }), 7);
    EXPECT_EQ(*run_on_big_stack([] { return std::make_unique<int>(8); }), 8);
    int value = 0;
    EXPECT_EQ(&run_on_big_stack([&]() -> int& { return value; }), &value);
    EXPECT_EQ(ending_of([] { run_on_big_stack([] { throw std::runtime_error("x"); }); }), "std::runtime_error: x");
  });
}

TEST_F(BigStackTest, ACancellationUnwindsBothStacks) {
  run([&] {
    struct Says {
      ~Says() { events->emplace_back(what); }
      Trace* events;
      const char* what;
    };
    auto task = create_task([&] {
      const Says small{&events, "small"};
      run_on_big_stack([&] {
        const Says big{&events, "big"};
        sleep(1h);
      });
    });
    sleep(0s);
    task.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop");
  });
  EXPECT_EQ(events, (Trace{"big", "small"}));
}

TEST_F(BigStackTest, IsTheSameTaskInTheSameCatchBlockWithTheSameErrno) {
  run([&] {
    const AnyTask self = current_task();
    try {
      throw std::runtime_error("handled outside");
    } catch (...) {
      errno = 5;
      run_on_big_stack([&] {
        EXPECT_EQ(errno, 5);
        EXPECT_EQ(current_task(), self);
        sleep(1s);
        EXPECT_EQ(ending_of([] { throw; }), "std::runtime_error: handled outside");
        errno = 6;
      });
      EXPECT_EQ(errno, 6);
      EXPECT_EQ(ending_of([] { throw; }), "std::runtime_error: handled outside");
    }
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    EXPECT_EQ(ending_of([] {
                call_c([] { run_on_big_stack([] { c_boundary([] { throw std::runtime_error("kept"); }); }); });
              }),
              "std::runtime_error: kept");
  });
}

TEST_F(BigStackTest, TasksUseTheirOwnOnesInTurnsAndReuseThem) {
  run([&] {
    for (int round = 0; round < 3; ++round) {
      std::vector<Task<int>> tasks;
      for (int i = 0; i < 20; ++i) {
        tasks.push_back(create_task([i] {
          return run_on_big_stack([i] {
            volatile int mine = i;
            for (int step = 0; step < 3; ++step) {
              deep(std::size_t{1} << 16, [] { sleep(0s); });
              sleep(std::chrono::milliseconds(20 - i));
            }
            return static_cast<int>(mine);
          });
        }));
      }
      for (int i = 0; i < 20; ++i) EXPECT_EQ(await(tasks[static_cast<std::size_t>(i)]), i);
    }
  });
}

TEST_F(BigStackTest, NestedAndOutsideOfTasksItIsACall) {
  EXPECT_EQ(run_on_big_stack([] { return 1; }), 1);
  run([&] {
    loop().call_soon([&] { trace(std::to_string(run_on_big_stack([] { return 2; }))); });
    run_on_big_stack([&] {
      char outer = 0;
      run_on_big_stack([&] {
        char inner = 0;
        EXPECT_LT(std::abs(&inner - &outer), 1 << 16);
      });
      sleep(0s);
    });
  });
  EXPECT_EQ(events, Trace{"2"});
}

TEST_F(BigStackTest, TheSizeIsTheLoops) {
  make_loop({.big_stack_bytes = std::size_t{64} << 20});
  run([&] { run_on_big_stack([&] { deep(std::size_t{40} << 20, [&] { trace("deep"); }); }); });
  EXPECT_EQ(events, Trace{"deep"});
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // those handle SIGSEGV themselves
TEST_F(BigStackTest, AnOverflowNamesTheTask) {
  EXPECT_DEATH(run([&] { run_on_big_stack([] { deep(std::size_t{20} << 20, [] {}); }); }),
               "stack overflow in task 'main' created at .*loop_test.hpp");
}
#endif

}  // namespace
}  // namespace coir::test
