// SPDX-License-Identifier: MIT
// What a watchdog says, on the real clock: each test blocks until the watchdog's own report ends that, so none depends on
// how long anything takes.
#include "runtime_test.hpp"

#include <log_capture.hpp>

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <coir/no_await.hpp>
#include <coir/watchdog.hpp>

namespace coir::test {
namespace {

using In = BlockReport::In;

/// What blocks, and collects reports until there are enough to let go.
class Blockage {
 public:
  explicit Blockage(std::size_t enough = 1) : enough_(enough) { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Blockage() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Blockage(const Blockage&) = delete;
  Blockage& operator=(const Blockage&) = delete;

  int read_end() const { return ends_[0]; }
  WatchdogOptions options(Duration limit = 30ms) {
    return {.limit = limit, .on_block = [this](const BlockReport& report) { add(report); }};
  }
  std::vector<BlockReport> reports() const {
    const std::scoped_lock lock(mutex_);
    return reports_;
  }
  BlockReport first() const {
    const auto all = reports();
    EXPECT_FALSE(all.empty());
    return all.empty() ? BlockReport{} : all.front();
  }
  /// Until the loop has been found to go on.
  void await_end() const {
    for (int patience = 2000; patience > 0; --patience, sleep(5ms)) {
      const auto all = reports();
      if (!all.empty() && all.back().in == In::nothing) return;
    }
    ADD_FAILURE() << "no report that the loop goes on";
  }

 private:
  void add(const BlockReport& report) {
    const std::scoped_lock lock(mutex_);
    reports_.push_back(report);
    const bool let_go = reports_.size() != enough_ || ::write(ends_[1], "x", 1) == 1;
    EXPECT_TRUE(let_go);
  }

  std::array<int, 2> ends_{};
  const std::size_t enough_;
  mutable std::mutex mutex_;
  std::vector<BlockReport> reports_;
};

// Their names are looked for in stacks.
[[gnu::noinline]] int read_synchronously(const Blockage& blockage) {
  char byte = 0;
  const auto count = ::read(blockage.read_end(), &byte, 1);
  return count == 1 ? byte : -1;
}
[[gnu::noinline]] int wait_for_input(const Blockage& blockage) {
  pollfd watched{blockage.read_end(), POLLIN, 0};
  while (::poll(&watched, 1, -1) < 0) {
  }
  return watched.revents;
}

class WatchdogTest : public RuntimeTest, protected LogCapture {
 protected:
  /// libdw keeps the C library's debug information open, once it has been looked for: not a descriptor that a test leaks.
  static void SetUpTestSuite() {
    Blockage blockage;
    coir::run([&] {
      const Watchdog watchdog(get_running_loop(), blockage.options());
      read_synchronously(blockage);
    });
  }
  static bool has(const BlockReport& report, const std::string& function) {
    return std::any_of(report.stack.begin(), report.stack.end(), [&](const StackFrame& frame) {
      return frame.function.find(function) != std::string::npos;
    });
  }
};

/// Tests of what the signal's handler has seen.
class WatchdogStackTest : public WatchdogTest {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer delays signals, until the thread does not block any more and longer: README, Limits";
#endif
  }
};

TEST_F(WatchdogStackTest, ATaskThatBlocksIsNamedWhileItDoes) {
  Blockage blockage;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), blockage.options());
    auto task = create_task([&] { return read_synchronously(blockage); }, {.name = "blocker"});
    EXPECT_EQ(await(task), 'x');  // released by the report
    blockage.await_end();
  });
  const BlockReport report = blockage.first();
  EXPECT_EQ(report.in, In::task);
  EXPECT_EQ(report.subject.rfind("Task 'blocker' created at watchdog_test.cpp:", 0), 0U) << report.subject;
  EXPECT_GE(report.lasted, 30ms);
  EXPECT_TRUE(has(report, "read_synchronously")) << to_string(report);
  EXPECT_FALSE(has(report, "run_forever")) << to_string(report);
  EXPECT_FALSE(has(report, "on_signal")) << to_string(report);
  EXPECT_GE(blockage.reports().back().lasted, report.lasted);
}

TEST_F(WatchdogStackTest, ACallbackThatBlocksIsNamedWithoutTheTaskItWasCalledFrom) {
  Blockage blockage;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), blockage.options());
    get_running_loop().call_soon([&] { read_synchronously(blockage); }, "tick");
    const auto suspended_in_main = [] { sleep(1ms); };
    suspended_in_main();
    blockage.await_end();
  });
  const BlockReport report = blockage.first();
  EXPECT_EQ(report.in, In::callback);
  EXPECT_EQ(report.subject.rfind("callback 'tick' scheduled at watchdog_test.cpp:", 0), 0U) << report.subject;
  EXPECT_TRUE(has(report, "read_synchronously")) << to_string(report);
  EXPECT_FALSE(has(report, "sleep")) << to_string(report);
}

// The task's frames are behind those of a callback that runs on the host's stack. The library's names, by which they could
// be cut off, are not known without debug information.
TEST_F(WatchdogStackTest, ACallbacksStackEndsWhereItWasCalledAlsoWithoutNames) {
  ::setenv("COIR_LIBDW", "0", 1);
  Blockage blockage;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), blockage.options());
    get_running_loop().call_soon([&] { read_synchronously(blockage); }, "tick");
    sleep(1ms);
  });
  ::unsetenv("COIR_LIBDW");
  EXPECT_FALSE(blockage.first().stack.empty());
  EXPECT_FALSE(has(blockage.first(), "sleep")) << to_string(blockage.first());
}

TEST_F(WatchdogStackTest, ATaskInANoAwaitScopeIsNamedToo) {
  Blockage blockage;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), blockage.options());
    auto task = create_task([&] {
      const NoAwait guard("the test says so");
      read_synchronously(blockage);
    });
    await(task);
  });
  EXPECT_EQ(blockage.first().subject.rfind("Task 'Task-", 0), 0U) << blockage.first().subject;
}

TEST_F(WatchdogStackTest, TheFirstStepOfALoopIsWatchedToo) {
  Blockage blockage;
  EventLoop real;
  const Watchdog watchdog(real, blockage.options());
  real.run_until_complete([&] {
    read_synchronously(blockage);
    blockage.await_end();
  });
  EXPECT_EQ(blockage.first().in, In::task);
}

TEST_F(WatchdogTest, ReportsBecomeRarer) {
  Blockage blockage(3);
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), blockage.options(20ms));
    await(create_task([&] { read_synchronously(blockage); }));
  });
  const auto all = blockage.reports();
  ASSERT_GE(all.size(), 3U);
  EXPECT_GE(all[1].lasted, 40ms);
  EXPECT_GE(all[2].lasted, 80ms);
}

TEST_F(WatchdogTest, ALoopThatSleepsIsNeitherBlockedNorWoken) {
  std::atomic<int> count = 0;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), {.limit = 5ms, .on_block = [&](const BlockReport&) { ++count; }});
    EXPECT_LE(turns_of([] { sleep(100ms); }), 4U);  // one more for each 5 ms if it were woken
  });
  EXPECT_EQ(count, 0);
}

TEST_F(WatchdogTest, ALoopThatDoesNotRunIsNotBlocked) {
  std::atomic<int> count = 0;
  EventLoop real;
  const Watchdog watchdog(real, {.limit = 5ms, .on_block = [&](const BlockReport&) { ++count; }});
  std::this_thread::sleep_for(50ms);
  real.run_until_complete([] { sleep(0s); });
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(count, 0);
}

TEST_F(WatchdogStackTest, AGuestThatNobodyPumpsIsReportedWithItsHostsStack) {
  Blockage blockage;
  EventLoop guest;
  Host host;
  const Watchdog watchdog(guest, blockage.options());
  const Attachment attachment(guest, host);
  wait_for_input(blockage);  // and not for guest.backend_fd()
  const BlockReport report = blockage.first();
  EXPECT_EQ(report.in, In::host);
  EXPECT_TRUE(has(report, "wait_for_input")) << to_string(report);
  EXPECT_NE(to_string(report).find("nobody calls pump()"), std::string::npos);
}

TEST_F(WatchdogStackTest, ACallbackOfAGuestThatBlocksIsNamed) {
  Blockage blockage;
  EventLoop guest;
  Host host;
  const Watchdog watchdog(guest, blockage.options());
  const Attachment attachment(guest, host);
  guest.call_soon([&] { read_synchronously(blockage); }, "of a guest");
  guest.pump();  // the blocking one may come before the watchdog's first question
  guest.call_soon([&] {
    if (blockage.reports().empty()) read_synchronously(blockage);
  }, "of a guest");
  guest.pump();
  EXPECT_EQ(blockage.first().in, In::callback);
}

// ---- What is logged, which signal -----------------------------------------------------------------------------------

TEST_F(WatchdogStackTest, LogsOneWarningWithTheStackAndOneForTheEnd) {
  Blockage blockage;
  coir::run([&] {
    const Watchdog releases(get_running_loop(), blockage.options(60ms));
    const Watchdog logs(get_running_loop(), {.limit = 30ms});
    await(create_task([&] { read_synchronously(blockage); }, {.name = "blocker"}));
    blockage.await_end();
    sleep(60ms);
  });
  EXPECT_TRUE(logged("warning the event loop has stood still for 0.")) << log();
  EXPECT_TRUE(logged(" s: Task 'blocker' created at watchdog_test.cpp:")) << log();
  EXPECT_TRUE(logged("to_thread(). Most recent call last:\n  ")) << log();
  EXPECT_TRUE(logged("in coir::test::(anonymous namespace)::read_synchronously")) << log();
  EXPECT_TRUE(logged("warning the event loop goes on, after 0.")) << log();
}

std::atomic<int> handled_before = 0;

TEST_F(WatchdogStackTest, SignalsOfOthersReachTheHandlerThatWasThereBefore) {
  ::signal(SIGUSR2, [](int) { ++handled_before; });
  Blockage blockage;
  WatchdogOptions options = blockage.options();
  options.signal = SIGUSR2;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), options);
    ::raise(SIGUSR2);
    EXPECT_EQ(handled_before, 1);
    await(create_task([&] { read_synchronously(blockage); }));
  });
  EXPECT_EQ(blockage.first().in, In::task);
  EXPECT_EQ(handled_before, 1);
}

TEST_F(WatchdogTest, AThreadThatBlocksTheSignalIsReportedAsUnknownAndALateSignalDoesNoHarm) {
  Blockage blockage;
  coir::run([&] {
    const Watchdog watchdog(get_running_loop(), blockage.options());
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    read_synchronously(blockage);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    blockage.await_end();
  });
  EXPECT_EQ(blockage.first().in, In::unknown);
  EXPECT_TRUE(blockage.first().stack.empty());
}

TEST_F(WatchdogTest, RefusesWhatItCannotDo) {
  EventLoop real;
  EXPECT_THROW(Watchdog(real, {.limit = 0s}), std::invalid_argument);
  EXPECT_THROW(Watchdog(real, {.signal = SIGSEGV}), std::invalid_argument);
  EXPECT_THROW(Watchdog(real, {.signal = 12345}), std::invalid_argument);
  real.close();
  expect_usage_error(Reason::loop_is_closed, "Watchdog: Event loop is closed", [&] { const Watchdog watchdog(real); });
}

// ---- Lifetimes ------------------------------------------------------------------------------------------------------

TEST_F(WatchdogTest, TheLoopMayGoFirst) {
  std::optional<EventLoop> real(std::in_place);
  const Watchdog watchdog(*real, {.limit = 5ms});
  real->run_until_complete([] {
    const auto until = std::chrono::steady_clock::now() + 20ms;
    while (std::chrono::steady_clock::now() < until) sleep(0s);  // is asked and answers
  });
  real.reset();
  std::this_thread::sleep_for(20ms);
}

TEST_F(WatchdogTest, ManyMayComeAndGoOnAnyThread) {
  EventLoop real;
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) {
      const Watchdog first(real, {.limit = 1ms});
      const Watchdog second(real, {.limit = 1ms});
      std::this_thread::sleep_for(1ms);
    }
    real.call_soon_threadsafe([&] { real.stop(); });
  });
  real.run_forever();
  other.join();
  SUCCEED();
}

TEST_F(WatchdogTest, ADeadlockIsFoundAsWithoutIt) {
  const ChildResult child = in_child([] {
    ::alarm(5);  // else it hangs
    try {
      coir::run([] {
        const Watchdog watchdog(get_running_loop(), {.limit = 20ms});
        await(get_running_loop().create_future<void>());
      });
    } catch (const DeadlockError&) {
      return 0;
    }
    return 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

TEST_F(WatchdogStackTest, AChildOfAForkMayDestroyItsCopyAndMakeItsOwn) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "fork() leaves AddressSanitizer's allocator locked in the child if another thread is just using it";
#endif
  EventLoop real;
  std::optional<Watchdog> watchdog(std::in_place, real, WatchdogOptions{.limit = 5ms});
  const ChildResult child = in_child([&] {
    watchdog.reset();
    Blockage blockage;
    coir::run([&] {
      const Watchdog own(get_running_loop(), blockage.options());
      read_synchronously(blockage);
    });
    return blockage.first().in == In::task ? 0 : 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

}  // namespace
}  // namespace coir::test
