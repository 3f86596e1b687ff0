// SPDX-License-Identifier: MIT
// A loop that nothing can wake any more: when it says so, and what it says.
#include "runtime_test.hpp"

#include <signal.h>

#include <atomic>
#include <thread>

namespace coir::test {
namespace {

class DeadlockTest : public RuntimeTest {
 protected:
  template <class Fn>
  static std::string deadlock_of(Fn&& fn) {
    try {
      fn();
    } catch (const DeadlockError& error) {
      return error.what();
    }
    return "no deadlock";
  }
  static void expect_said(const std::string& text, const std::vector<std::string>& parts) {
    std::size_t at = 0;
    for (const std::string& part : parts) {
      const std::size_t found = text.find(part, at);
      ASSERT_NE(found, std::string::npos) << part << " is missing, or too early, in:\n" << text;
      at = found + part.size();
    }
  }
};

TEST_F(DeadlockTest, TasksThatWaitForEachOtherAreNamedAsACircle) {
  expect_said(deadlock_of([] {
                run_virtual([] {
                  Task<void> second;
                  auto first = create_task([&] { await(second); }, {.name = "first"});
                  auto third = create_task([&] { await(first); }, {.name = "third"});
                  second = create_task([&] { await(third); }, {.name = "second"});
                  await(first);
                });
              }),
              {"deadlock: every task waits", "Task 'main' created at", "waits on Task 'first'", "in a circle: ",
               "Task 'first' created at deadlock_test.cpp:", " -> Task 'second'", " -> Task 'third'", " -> Task 'first'"});
}

TEST_F(DeadlockTest, AWaitForNobodyIsNoCircle) {
  const std::string text = deadlock_of([] { run_virtual([] { await(get_running_loop().create_future<void>()); }); });
  expect_said(text, {"Task 'main' created at", "waits on Future created at deadlock_test.cpp:"});
  EXPECT_EQ(text.find("circle"), std::string::npos) << text;
}

// On the real clock, in a process of one thread: the tests themselves may run with more.
TEST_F(DeadlockTest, RunEndsOnTheRealClockToo) {
  const ChildResult child = in_child([] {
    const std::string text = deadlock_of([] { coir::run([] { await(get_running_loop().create_future<void>()); }); });
    return text.find("Task 'main' created at") != std::string::npos ? 0 : 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(DeadlockTest, TheTasksAreCancelledAndMayCleanUp) {
  const ChildResult child = in_child([] {
    bool cleaned_up = false;
    const std::string text = deadlock_of([&] {
      coir::run([&] {
        auto other = create_task([&] {
          try {
            await(get_running_loop().create_future<void>());
          } catch (const CancelledError&) {
            sleep(1ms);
            cleaned_up = true;
            throw;
          }
        });
        await(other);
      });
    });
    return text != "no deadlock" && cleaned_up ? 0 : 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(DeadlockTest, AnotherThreadMayStillWakeIt) {
  coir::run([] {
    auto future = get_running_loop().create_future<void>();
    std::thread waker([&loop = get_running_loop(), future]() mutable {
      std::this_thread::sleep_for(300ms);
      loop.call_soon_threadsafe([future = std::move(future)] { future.set_result(); });
    });
    await(future);
    waker.join();
  });
}

TEST_F(DeadlockTest, ATimerOrADescriptorMayStillWakeIt) {
  const ChildResult child = in_child([] {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return 1;
    coir::run([&] {
      auto future = get_running_loop().create_future<void>();
      get_running_loop().call_later(250ms, [&] { future.set_result(); });
      await(future);
      auto reader = create_task([&] {
        auto readable = get_running_loop().create_future<void>();
        get_running_loop().add_reader(ends[0], [&] { readable.set_result(); get_running_loop().remove_reader(ends[0]); });
        await(readable);
      });
      sleep(0s);
      std::thread([&] {
        std::this_thread::sleep_for(250ms);
        static_cast<void>(::write(ends[1], "x", 1) == 1);
      }).detach();
      await(reader);
    });
    return 0;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(DeadlockTest, ASignalHandlerMayStillWakeIt) {
  const ChildResult child = in_child([] {
    coir::run([] {
      auto future = get_running_loop().create_future<void>();
      get_running_loop().add_signal_handler(SIGALRM, [future] { future.set_result(); });
      ::ualarm(300'000, 0);
      await(future);
    });
    return 0;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(DeadlockTest, ALoopWithoutTasksMayWait) {
  const ChildResult child = in_child([] {
    EventLoop loop;
    ::signal(SIGALRM, [](int) { ::_exit(0); });
    ::ualarm(300'000, 0);
    loop.run_forever();
    return 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(DeadlockTest, CanBeTurnedOff) {
  const ChildResult child = in_child([] {
    ::signal(SIGALRM, [](int) { ::_exit(0); });
    ::ualarm(300'000, 0);
    coir::run([] { await(get_running_loop().create_future<void>()); }, {.loop = {.detect_deadlocks = false}});
    return 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

}  // namespace
}  // namespace coir::test
