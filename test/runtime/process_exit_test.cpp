// SPDX-License-Identifier: MIT
// exit() while a loop runs that exit() destroys. Each of these programs is a child: in this one exit() comes once.
#include "runtime_test.hpp"

#include <coir/host.hpp>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>

namespace {
bool exits_in_a_task = false;
}
#if defined(__SANITIZE_ADDRESS__)
/// At an exit() on a task's stack LeakSanitizer does not look at the thread's own, and calls lost what only that holds.
extern "C" int __lsan_is_turned_off() { return exits_in_a_task ? 1 : 0; }
#endif

namespace coir::test {
namespace {

void run_another_loop() {
  EventLoop other;
  other.run_until_complete([] { sleep(0s); });
}

/// Spins: the loop is in the middle of something, whenever exit() comes.
void run_elsewhere(EventLoop& loop) {
  std::atomic<bool> runs{false};
  std::thread([&] {
    loop.call_soon([&] { runs = true; });
    loop.run_until_complete([&] {
      for (;;) {
        sleep(0s);
        loop.call_soon([] {});
        get_running_loop().call_soon([] {});
      }
    });
  }).detach();
  while (!runs) std::this_thread::yield();
}

/// In a child that ends by exit(7) and says nothing.
template <class Fn>
void expect_exit(Fn fn) {
  const ChildResult child = in_child([&] {
    exits_in_a_task = true;
    fn();
    return 0;
  });
  EXPECT_TRUE(child.exited_with(7)) << child.status << ": " << child.output;
  EXPECT_EQ(child.output, "");
}

TEST(ProcessExitTest, InATaskOfAStaticLoop) {
  expect_exit([] {
    static EventLoop loop;
    loop.run_until_complete([] {
      sleep(0s);
      std::exit(7);
    });
  });
}

TEST(ProcessExitTest, InACallbackOfAStaticLoop) {
  expect_exit([] {
    static EventLoop loop;
    loop.call_soon([] { std::exit(7); });
    loop.run_forever();
  });
}

TEST(ProcessExitTest, OfALoopThatWasMadeWhenAnotherOneHadRun) {
  expect_exit([] {
    run_another_loop();
    static EventLoop loop;
    loop.run_until_complete([] { std::exit(7); });
  });
}

TEST(ProcessExitTest, OfALoopThatAStaticPointerOwns) {
  expect_exit([] {
    run_another_loop();
    static const auto loop = std::make_unique<EventLoop>();
    loop->run_until_complete([] { std::exit(7); });
  });
}

TEST(ProcessExitTest, OfALoopThatRanBeforeAStaticPointerOwnedIt) {
  expect_exit([] {
    auto made = std::make_unique<EventLoop>();
    made->run_until_complete([] {});
    static const auto loop = std::move(made);
    loop->run_until_complete([] { std::exit(7); });
  });
}

TEST(ProcessExitTest, OfAStaticRunner) {
  expect_exit([] {
    static Runner runner;
    runner.run([] { std::exit(7); });
  });
}

TEST(ProcessExitTest, WhileAStaticLoopRunsInAnotherThread) {
  expect_exit([] {
    static EventLoop loop;
    run_elsewhere(loop);
    std::exit(7);
  });
}

TEST(ProcessExitTest, WhileALoopThatAStaticPointerOwnsRunsInAnotherThread) {
  expect_exit([] {
    static const auto loop = std::make_unique<EventLoop>();
    run_elsewhere(*loop);
    std::exit(7);
  });
}

TEST(ProcessExitTest, OfALoopThatAnAtexitFunctionDeletes) {
  expect_exit([] {
    static const auto loop = new EventLoop;
    std::atexit([] { delete loop; });
    loop->run_until_complete([] { std::exit(7); });
  });
}

TEST(ProcessExitTest, InATaskOfAGuest) {
  expect_exit([] {
    static EventLoop loop;
    static Host host;
    static Attachment attachment(loop, host);
    auto task = loop.create_task([] { std::exit(7); });
    loop.pump();
  });
}

TEST(ProcessExitTest, InACallbackOfTheHostDrainsTheGuest) {
  const ChildResult child = in_child([]() -> int {
    static EventLoop loop;
    static Host host;
    static Attachment attachment(loop, host);
    auto task = loop.create_task([] {
      try {
        sleep(1h);
      } catch (const CancelledError&) {
        sleep(0s);
        std::fputs("cleaned up", stderr);
        throw;
      }
    });
    loop.pump();
    std::exit(7);
  });
  EXPECT_TRUE(child.exited_with(7)) << child.output;
  EXPECT_EQ(child.output, "cleaned up");
}

TEST(ProcessExitTest, OfAGuestThatNobodyDetaches) {
  expect_exit([] {
    static EventLoop loop;
    static Host host;
    loop.attach(host);
    loop.pump();
    std::exit(7);
  });
}

TEST(ProcessExitTest, WhileAGuestIsPumpedInAnotherThread) {
  expect_exit([] {
    static std::atomic<bool> pumped{false};
    std::thread([] {
      static EventLoop loop;
      static Host host;
      static Attachment attachment(loop, host);
      auto task = loop.create_task([] {
        for (;;) sleep(0s);
      });
      for (;;) {
        loop.pump();
        pumped = true;
      }
    }).detach();
    while (!pumped) std::this_thread::yield();
    std::exit(7);
  });
}

TEST(ProcessExitDeathTest, ARunningLoopIsNotDestroyedOtherwise) {
  const auto destroy = [] {
    static auto loop = std::make_unique<EventLoop>();
    loop->run_until_complete([] { loop.reset(); });
  };
  EXPECT_DEATH(destroy(), "an EventLoop destroyed while it runs, or before it is detached from its host");
}

}  // namespace
}  // namespace coir::test
