// SPDX-License-Identifier: MIT
// A task that is awaited before it has begun, and is next, is called by the one that awaits it (LoopCore::call_if_next), on
// x86-64 without sanitizers. Nothing must show that: the same tests hold where it is switched to.
#include "call_stack_test.hpp"

#include <coir/big_stack.hpp>
#include <coir/debug_descriptor.hpp>
#include <coir/on_switch.hpp>
#include <coir/sleep.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <stdexcept>

namespace shop {

[[gnu::noinline]] static void waits_for_child(const std::function<void()>& child) {
  await(coir::create_task([&child] { child(); }));
  ++steps;
}
[[gnu::noinline]] static void waits_in_child(const coir::Future<void>& future) {
  wait_here(future);
  ++steps;
}

// Of this file alone, which is compiled with frame pointers: what several files have the linker may take from another one.
[[gnu::noinline]] static void waits(const coir::Future<void>& future) {
  await(future);
  ++steps;
}
[[gnu::noinline]] static void waits_for_one_that_waits(const coir::Future<void>& future) {
  await(coir::create_task([&] { waits(future); }));
  ++steps;
}

}  // namespace shop

namespace shop_test {
namespace {

using coir::AnyTask;
using coir::current_task;
using coir::EventLoop;
using coir::get_running_loop;
using coir::sleep;
using coir::Task;
using coir::TaskOptions;

class CalledTaskTest : public CallStackTest {
 protected:
  /// A task for each level that awaits the next one's; fn() at the bottom.
  static int nested(int levels, const std::function<void()>& fn) {
    if (levels > 0) return await(create_task([&] { return nested(levels - 1, fn); })) + 1;
    fn();
    return 0;
  }
};

TEST_F(CalledTaskTest, RunsInItsTurnAndItsWaiterAfterWhatBecameReadyBefore) {
  run([&] {
    auto before = create_task([&] { trace("task before"); });
    loop().call_soon([&] { trace("callback before"); });
    auto child = create_task([&] {
      trace("child");
      loop().call_soon([&] { trace("callback of the child"); });
    });
    auto after = create_task([&] { trace("task after"); });
    child.add_done_callback([&] { trace("done-callback"); });
    EXPECT_EQ(turns_of([&] { await(child); }), 2U);
    trace("waiter");
    EXPECT_TRUE(before.done() && after.done());
  });
  EXPECT_EQ(events, (Trace{"task before", "callback before", "child", "task after", "callback of the child",
                           "done-callback", "waiter"}));
}

TEST_F(CalledTaskTest, MaySuspendAndGoOnWhileItsWaiterWaits) {
  run([&] {
    auto other = create_task([&] {
      for (int i = 0; i < 3; ++i) {
        trace("other");
        sleep(10ms);
      }
    });
    const int value = await(create_task([&] {
      trace("child begins");
      sleep(15ms);
      trace("child ends");
      return 7;
    }));
    trace("waiter");
    EXPECT_EQ(value, 7);
    EXPECT_EQ(elapsed_ms(), 15);
    await(other);
  });
  EXPECT_EQ(events, (Trace{"other", "child begins", "other", "child ends", "waiter", "other"}));
}

TEST_F(CalledTaskTest, NestsAsDeepAsThereAreStacks) {
  run([&] {
    EXPECT_EQ(nested(200, [] {}), 200);
    EXPECT_EQ(nested(200, [] { sleep(1ms); }), 200);
    EXPECT_EQ(loop().stats().fibers.leased, 1U);
  });
}

TEST_F(CalledTaskTest, HasAWholeStackOfItsOwn) {
  run([&] {
    const auto fill = [&] {
      volatile char room[150 << 10];  // of 256 KiB: not twice on one
      room[0] = 1;
      room[sizeof room - 1] = 1;
      await(create_task([] {
        volatile char own[150 << 10];
        own[0] = 1;
        own[sizeof own - 1] = 1;
        sleep(1ms);
      }));
      EXPECT_EQ(room[0] + room[sizeof room - 1], 2);
    };
    await(create_task(fill));
    await(create_task(fill));
  });
}

TEST_F(CalledTaskTest, ManyWaitersAndChildrenInTurns) {
  run([&] {
    std::vector<Task<int>> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(create_task([i] {
        return nested(i % 5, [i] {
          for (int j = 0; j < i % 7; ++j) sleep(j % 2 == 0 ? 0ms : 1ms);
        });
      }));
    }
    for (int i = 0; i < 100; ++i) EXPECT_EQ(await(all[static_cast<std::size_t>(i)]), i % 5);
  });
}

TEST_F(CalledTaskTest, ErrnoIsThatOfEachTask) {
  run([&] {
    errno = EBUSY;
    await(create_task([] {
      errno = ENOENT;
      sleep(1ms);
      EXPECT_EQ(errno, ENOENT);
    }));
    EXPECT_EQ(errno, EBUSY);
  });
}

TEST_F(CalledTaskTest, FailuresAndCancellationsReachTheWaiter) {
  run([&] {
    EXPECT_EQ(ending_of([] { await(create_task([] { throw std::runtime_error("at once"); })); }),
              "std::runtime_error: at once");
    EXPECT_EQ(ending_of([] {
                await(create_task([] {
                  sleep(1ms);
                  throw std::runtime_error("later");
                }));
              }),
              "std::runtime_error: later");
    EXPECT_EQ(ending_of([] {
                auto child = create_task([] { sleep(1ms); });
                child.cancel("before it began");
                await(child);
              }),
              "CancelledError: before it began");
    auto waiter = create_task([&] {
      await(create_task([&] {
        try {
          sleep(1h);
        } catch (const coir::CancelledError&) {
          trace("child cleans up");
          sleep(1ms);
          throw;
        }
      }));
    });
    sleep(1ms);
    waiter.cancel("both");
    EXPECT_EQ(ending_of([&] { await(waiter); }), "CancelledError: both");
    EXPECT_EQ(elapsed_ms(), 3);
  });
  EXPECT_EQ(events, Trace{"child cleans up"});
}

TEST_F(CalledTaskTest, AChildThatSwallowsTheCancellationOfItsWaiterIsWaitedFor) {
  run([&] {
    auto waiter = create_task([&] {
      return await(create_task([] {
        try {
          sleep(1h);
        } catch (const coir::CancelledError&) {
        }
        sleep(5ms);
        return 3;
      }));
    });
    sleep(1ms);
    waiter.cancel();
    EXPECT_EQ(await(waiter), 3);
    EXPECT_EQ(elapsed_ms(), 6);
  });
}

TEST_F(CalledTaskTest, AwaitedWhileAnExceptionIsHandledOrUnwinds) {
  struct AwaitsInDestructor {
    ~AwaitsInDestructor() {
      await(create_task([] {
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        sleep(1ms);
      }));
    }
  };
  run([&] {
    try {
      const AwaitsInDestructor awaits;
      throw std::runtime_error("mine");
    } catch (const std::runtime_error& error) {
      await(create_task([] {
        EXPECT_EQ(std::current_exception(), nullptr);
        sleep(1ms);
      }));
      EXPECT_EQ(coir::describe(std::current_exception()), "std::runtime_error: mine");
      EXPECT_STREQ(error.what(), "mine");
    }
  });
}

// The next one on the same stack is switched to, not called: from a catch block, and by a task that waits for something else.
TEST_F(CalledTaskTest, LeavesNoExceptionOnItsStack) {
  run([&] {
    const auto handles_one = [] {
      try {
        throw std::runtime_error("of the last one");
      } catch (const std::runtime_error&) {
        sleep(1ms);
      }
    };
    const auto sees_none = [&] {
      EXPECT_EQ(std::current_exception(), nullptr);
      EXPECT_EQ(std::uncaught_exceptions(), 0);
      trace("none");
    };
    await(create_task(handles_one));
    auto other = create_task(sees_none);
    sleep(1ms);
    await(create_task(handles_one));
    try {
      throw std::runtime_error("mine");
    } catch (const std::runtime_error&) {
      await(create_task(sees_none));
      EXPECT_EQ(coir::describe(std::current_exception()), "std::runtime_error: mine");
    }
    await(other);
  });
  EXPECT_EQ(events, (Trace{"none", "none"}));
}

// Each of a circle that was built from the inside: the first one has called the second, the second the third.
TEST_F(CalledTaskTest, ACircleCanBeCancelledThroughAnyOfItsTasks) {
  for (int cancelled = 0; cancelled < 3; ++cancelled) {
    run([&] {
      std::vector<Task<void>> tasks(3);
      tasks[0] = create_task([&] {
        tasks[1] = create_task([&] {
          tasks[2] = create_task([&] { await(tasks[0]); });
          await(tasks[2]);
        });
        await(tasks[1]);
      });
      sleep(1ms);
      EXPECT_TRUE(tasks[static_cast<std::size_t>(cancelled)].cancel("enough"));
      sleep(1ms);
      for (const auto& task : tasks) {
        EXPECT_TRUE(task.cancelled()) << cancelled;
      }
      tasks.clear();
    });
  }
}

TEST_F(CalledTaskTest, WhatLeavesTheLoopLeavesItThroughItsWaiter) {
  auto waiter = loop().create_task([&] {
    await(create_task([] { throw coir::SystemExit("3"); }));
  });
  EXPECT_THROW(loop().run_until_complete(waiter), coir::SystemExit);
  EXPECT_FALSE(waiter.done());
  EXPECT_THROW(loop().run_until_complete(waiter), coir::SystemExit) << "as the child's failure, in the next run";
  EXPECT_EQ(coir::describe(waiter.exception()), "coir::SystemExit: 3");
}

TEST_F(CalledTaskTest, MayHaveTheLoopSwitchMoreThanStacks) {
  int value = 0;
  run([&] {
    auto other = create_task([&] {
      sleep(1ms);
      for (value = 100; value < 103; ++value) sleep(1ms);
    });
    await(create_task([&] {
      coir::on_switch(loop(), [&] { return value; }, [&](int own) { value = own; });
      for (value = 1; value < 4; ++value) sleep(1ms);
      EXPECT_EQ(value, 4);
    }));
    value = 50;
    await(other);
    EXPECT_EQ(value, 50);
  });
}

TEST_F(CalledTaskTest, OnABigStackToo) {
  run([&] {
    const int value = coir::run_on_big_stack([] {
      return await(create_task([] {
        return coir::run_on_big_stack([] {
          sleep(1ms);
          return await(create_task([] { return 5; }));
        });
      }));
    });
    EXPECT_EQ(value, 5);
  });
}

TEST_F(CalledTaskTest, StacksOfTheWaiterAndOfTheChildAreToldApart) {
  if (!has_libdw) GTEST_SKIP() << "built without libdw";
  run([&] {
    const auto future = gate();
    std::vector<AnyTask> tasks;
    Trace running_child;
    Trace its_waiter;
    auto waiter = create_task([&] {
      tasks.push_back(current_task());
      shop::waits_for_child([&] {
        tasks.push_back(current_task());
        shop::waits_for_child([&] {
          tasks.push_back(current_task());
          running_child = names(tasks[2].get_stack());
          its_waiter = names(tasks[1].get_stack());
          shop::waits_in_child(future);
        });
      });
    });
    sleep(0s);
    sleep(0s);
    sleep(0s);
    ASSERT_EQ(tasks.size(), 3U);
    const auto last_of = [](Trace stack) { return stack.empty() ? std::string() : stack.back(); };
    const auto has = [](const Trace& stack, const std::string& name) {
      return std::find(stack.begin(), stack.end(), name) != stack.end();
    };
    EXPECT_FALSE(has(running_child, "shop::waits_for_child")) << ::testing::PrintToString(running_child);
    EXPECT_EQ(last_of(its_waiter), "shop::waits_for_child") << ::testing::PrintToString(its_waiter);
    for (int i = 0; i < 2; ++i) {
      const Trace stack = names(tasks[static_cast<std::size_t>(i)].get_stack());
      EXPECT_EQ(last_of(stack), "shop::waits_for_child") << i << ::testing::PrintToString(stack);
      EXPECT_FALSE(has(stack, "shop::waits_in_child")) << i << ::testing::PrintToString(stack);
    }
    const Trace innermost = names(tasks[2].get_stack());
    EXPECT_EQ(last_of(innermost), "shop::wait_here") << ::testing::PrintToString(innermost);
    EXPECT_TRUE(has(innermost, "shop::waits_in_child"));
    EXPECT_FALSE(has(innermost, "shop::waits_for_child")) << "frames of its waiter";
    future.set_result();
    await(waiter);
  });
}

// What a debugger does: it follows frame pointers.
TEST_F(CalledTaskTest, AChainOfFramePointersEndsWithItsOwnStack) {
  const CoirDebugDescriptor& d = coir_debug_descriptor;
  const auto read = [](const void* object, std::size_t offset) {
    const void* value;
    std::memcpy(&value, static_cast<const char*>(object) + offset, sizeof value);
    return value;
  };
  run([&] {
    const auto future = gate();
    auto waiter = create_task([&] { shop::waits_for_one_that_waits(future); });
    sleep(0s);
    sleep(0s);
    int suspended = 0;
    for (const void* each = *d.first_loop; each != nullptr; each = read(each, d.loop_next)) {
      for (const void* task = read(each, d.loop_oldest_task); task != nullptr; task = read(task, d.task_newer)) {
        const void* const fiber = read(task, d.task_fiber);
        if (fiber == nullptr || read(task, d.task_waiting_on) == nullptr) continue;
        ++suspended;
        const auto* frame = static_cast<const std::uintptr_t*>(read(fiber, d.fiber_frame));
        for (int frames = 0; frame[0] != 0; ++frames) {
          ASSERT_GT(frame[0], reinterpret_cast<std::uintptr_t>(frame));
          ASSERT_LT(frame[0], reinterpret_cast<std::uintptr_t>(fiber)) << "another stack";
          ASSERT_LT(frames, 50);
          frame = reinterpret_cast<const std::uintptr_t*>(frame[0]);
        }
      }
    }
    EXPECT_EQ(suspended, 2);
    future.set_result();
    await(waiter);
  });
}

}  // namespace
}  // namespace shop_test
