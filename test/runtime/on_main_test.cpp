// SPDX-License-Identifier: MIT
#include "guest_test.hpp"

#include <coir/no_await.hpp>
#include <coir/on_main.hpp>

#include <pthread.h>

namespace coir::test {
namespace {

/// Whether the caller runs on the stack that the system gave this thread.
[[gnu::noinline]] bool on_threads_stack() {
  pthread_attr_t attributes;
  void* bottom = nullptr;
  std::size_t bytes = 0;
  EXPECT_EQ(::pthread_getattr_np(::pthread_self(), &attributes), 0);
  ::pthread_attr_getstack(&attributes, &bottom, &bytes);
  ::pthread_attr_destroy(&attributes);
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const auto begin = reinterpret_cast<std::uintptr_t>(bottom);
  return here >= begin && here < begin + bytes;
}

class OnMainTest : public RuntimeTest {};

TEST_F(OnMainTest, RunsOnTheThreadsStackOutsideOfEveryTask) {
  run([&] {
    EXPECT_FALSE(on_threads_stack());
    const int result = on_main([] {
      EXPECT_TRUE(on_threads_stack());
      EXPECT_FALSE(current_task());
      return 42;
    });
    EXPECT_EQ(result, 42);
    EXPECT_FALSE(on_threads_stack());
  });
}

TEST_F(OnMainTest, ReturnsWhateverTheFunctionReturns) {
  run([&] {
    int variable = 1;
    EXPECT_EQ(&on_main([&]() -> int& { return variable; }), &variable);
    EXPECT_EQ(*on_main([] { return std::make_unique<int>(2); }), 2);
    on_main([&] { variable = 3; });
    EXPECT_EQ(variable, 3);
    EXPECT_THROW(on_main([]() -> int { throw std::out_of_range("x"); }), std::out_of_range);
    EXPECT_EQ(ending_of([] { on_main([] { throw SystemExit("passes through the task"); }); }),
              "coir::SystemExit: passes through the task");
  });
}

TEST_F(OnMainTest, ComesBetweenTwoTurns) {
  run([&] {
    auto other = create_task([this] {
      trace("next turn");
      sleep(0s);
      trace("the one after");
    });
    sleep(0s);
    on_main([&] {
      trace("on main");
      loop().call_soon(note("behind the task"));
    });
    trace("back");
    await(other);
  });
  EXPECT_EQ(events, (Trace{"next turn", "on main", "the one after", "behind the task", "back"}));
}

TEST_F(OnMainTest, SeveralRunInTheirOrder) {
  run([&] {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(create_task([this, i] { on_main([&] { trace(std::to_string(i)); }); }));
    for (auto& task : tasks) await(task);
  });
  EXPECT_EQ(events, (Trace{"0", "1", "2"}));
}

TEST_F(OnMainTest, OutsideATaskItJustCalls) {
  EXPECT_EQ(on_main([] { return 1; }), 1);
  loop().call_soon([&] { on_main(note("in a callback")); });
  run_ready();
  EXPECT_EQ(events, (Trace{"in a callback"}));
}

TEST_F(OnMainTest, CannotBeAwaitedFrom) {
  run([&] {
    on_main([] {
      expect_usage_error(Reason::outside_task, "sleep() inside the callback 'on_main' scheduled at", [] { sleep(1s); });
    });
    const NoAwait guard("testing");
    expect_usage_error(Reason::no_await, "on_main()", [] { on_main([] {}); });
  });
}

TEST_F(OnMainTest, ACancelledOneIsNotCalled) {
  auto task = loop().create_task([this] { on_main(note("never")); });
  loop().call_soon([&] { task.cancel(); });  // in the same turn, behind the task
  run_ready();
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ(events, Trace{});
}

TEST_F(OnMainTest, ACancellationWaitsForACallThatHasBegun) {
  Task<void> task;
  task = loop().create_task([&] {
    int of_the_task = 0;
    try {
      on_main([&] {
        task.cancel("too late");
        of_the_task = 1;
        throw std::runtime_error("lost");
      });
    } catch (const CancelledError& error) {
      trace(error.message() + " " + std::to_string(of_the_task));
      throw;
    }
  });
  run_ready();
  EXPECT_TRUE(task.cancelled());
  EXPECT_EQ(events, (Trace{"too late 1"}));
}

TEST_F(OnMainTest, AStoppedLoopKeepsIt) {
  auto task = loop().create_task([&] {
    loop().stop();
    on_main(note("called"));
  });
  loop().run_forever();
  run_ready();
  EXPECT_TRUE(task.done());
  EXPECT_EQ(events, (Trace{"called"}));
}

class GuestOnMainTest : public GuestTest {
 protected:
  /// What a modal dialog is to the host: its loop, inside of a call.
  void run_dialog(const Future<void>& closed) {
    trace("opens");
    while (!closed.done()) {
      pump_while_readable();
      if (!closed.done()) clock.jump_to(loop().next_deadline()), pump();
    }
    trace("closes");
  }
};

TEST_F(GuestOnMainTest, ADialogRunsTheHostOutsideOfEveryTick) {  // 1.4
  auto closed = loop().create_future<void>();
  auto task = loop().create_task([&] {
    trace("asks");
    on_main([&] {
      EXPECT_TRUE(on_threads_stack());
      run_dialog(closed);
    });
    trace("has the answer");
  });
  auto other = loop().create_task([&] {
    for (int i = 0; i < 3; ++i) {
      sleep(1s);
      trace(std::to_string(i));
    }
    closed.set_result();
  });
  run_host();
  EXPECT_EQ(events, (Trace{"asks", "opens", "0", "1", "2", "closes", "has the answer"}));
}

TEST_F(GuestOnMainTest, DialogsNest) {  // 1.4: LIFO
  std::vector<Future<void>> closed;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 3; ++i) {
    closed.push_back(loop().create_future<void>());
    tasks.push_back(loop().create_task([&, i] {
      sleep(std::chrono::seconds(i));
      on_main([&] { run_dialog(closed[static_cast<std::size_t>(i)]); });
      trace("task " + std::to_string(i));
    }));
  }
  auto closer = loop().create_task([&] {
    sleep(10s);
    for (auto& one : closed) {
      one.set_result();
      sleep(1s);
    }
  });
  run_host();
  EXPECT_EQ(events, (Trace{"opens", "opens", "opens", "closes", "task 2", "closes", "task 1", "closes", "task 0"}));
}

TEST_F(GuestOnMainTest, TheHostGetsATurnBefore) {
  auto task = loop().create_task([&] { on_main(note("on main")); });
  EXPECT_TRUE(pump().more);
  trace("host");
  EXPECT_TRUE(readable());
  pump_while_readable();
  EXPECT_EQ(events, (Trace{"host", "on main"}));
}

}  // namespace
}  // namespace coir::test
