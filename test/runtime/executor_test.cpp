// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <coir/threads.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>

namespace coir::test {
namespace {

class ExecutorTest : public ThreadedTest {};

class Call final : public Work {
 public:
  explicit Call(std::function<void()> fn, std::atomic<int>* destroyed = nullptr)
      : fn_(std::move(fn)), destroyed_(destroyed) {}
  ~Call() override {
    if (destroyed_ != nullptr) ++*destroyed_;
  }
  void run() noexcept override { fn_(); }

 private:
  std::function<void()> fn_;
  std::atomic<int>* destroyed_;
};

/// Runs everything at once, on the calling thread.
class InlineExecutor final : public Executor {
 public:
  explicit InlineExecutor(int& submitted) : submitted_(submitted) {}
  void submit(std::unique_ptr<Work> work) override {
    ++submitted_;
    work->run();
  }
  bool shutdown(std::chrono::nanoseconds) override { return true; }

 private:
  int& submitted_;
};

/// Never begins anything.
class IdleExecutor final : public Executor {
 public:
  void submit(std::unique_ptr<Work> work) override { queue_.push_back(std::move(work)); }
  bool shutdown(std::chrono::nanoseconds) override { return queue_.empty(); }

 private:
  std::vector<std::unique_ptr<Work>> queue_;
};

class RefusingExecutor final : public Executor {
 public:
  void submit(std::unique_ptr<Work>) override { throw std::runtime_error("refused"); }
  bool shutdown(std::chrono::nanoseconds) override { return true; }
};

TEST_F(ExecutorTest, RunsAllThatIsSubmittedOnAtMostItsThreads) {
  ThreadPoolExecutor pool(2);
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::atomic<int> done = 0;
  for (int i = 0; i < 100; ++i) {
    pool.submit(std::make_unique<Call>([&] {
      const int now = ++running;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      std::this_thread::yield();
      --running;
      ++done;
    }));
  }
  EXPECT_TRUE(pool.shutdown(1min));
  EXPECT_EQ(done, 100);
  EXPECT_LE(most, 2);
}

TEST_F(ExecutorTest, StartsAThreadForEachCallThatWouldWait) {
  ThreadPoolExecutor pool(4);
  std::latch all(4);
  for (int i = 0; i < 4; ++i) pool.submit(std::make_unique<Call>([&] { all.arrive_and_wait(); }));
  EXPECT_TRUE(pool.shutdown(1min)) << "four calls that wait for each other need four threads";
}

TEST_F(ExecutorTest, RefusesWorkAfterShutdown) {
  ThreadPoolExecutor pool(1);
  EXPECT_TRUE(pool.shutdown(1min));
  expect_usage_error(Reason::loop_is_closed, "has been shut down", [&] { pool.submit(std::make_unique<Call>([] {})); });
  EXPECT_TRUE(pool.shutdown(0s)) << "again";
}

TEST_F(ExecutorTest, BehindAShutdownNothingOfItsThreadsRuns) {
  static std::atomic<int> gone;
  gone = 0;
  struct AtItsEnd {
    ~AtItsEnd() {
      for (int i = 0; i < 100; ++i) std::this_thread::yield();  // time for a shutdown() that does not wait
      ++gone;
    }
    bool used = false;
  };
  ThreadPoolExecutor pool(4);
  std::latch all(4);
  for (int i = 0; i < 4; ++i) {
    pool.submit(std::make_unique<Call>([&] {
      thread_local AtItsEnd end;
      end.used = true;
      all.arrive_and_wait();
    }));
  }
  EXPECT_TRUE(pool.shutdown(1min));
  EXPECT_EQ(gone, 4);
}

TEST_F(ExecutorTest, AShutdownThatTimesOutSaysSo) {
  std::latch release(1);
  ThreadPoolExecutor pool(1);
  pool.submit(std::make_unique<Call>([&] { release.wait(); }));
  EXPECT_FALSE(pool.shutdown(1ns));
  release.count_down();
  EXPECT_TRUE(pool.shutdown(1min));
}

TEST_F(ExecutorTest, ItsDestructorWaitsForWhatRunsAndAbandonsWhatIsQueued) {
  std::atomic<int> ran = 0;
  std::atomic<int> destroyed = 0;
  std::latch begun(1);
  std::latch release(1);
  std::thread releaser;
  {
    ThreadPoolExecutor pool(1);
    pool.submit(std::make_unique<Call>(
        [&] {
          begun.count_down();
          release.wait();
          ++ran;
        },
        &destroyed));
    pool.submit(std::make_unique<Call>([&] { ++ran; }, &destroyed));
    begun.wait();
    releaser = std::thread([&] { release.count_down(); });
  }
  releaser.join();
  EXPECT_GE(ran, 1);
  EXPECT_EQ(destroyed, 2);
}

TEST_F(ExecutorTest, AnAwaiterOfAbandonedWorkIsCancelled) {
  run([&] {
    auto executor = std::make_unique<IdleExecutor>();
    auto abandoned = loop().run_in_executor(*executor, [] { return 1; });
    executor.reset();
    EXPECT_EQ(ending_of([&] { await(abandoned); }),
              "CancelledError: the executor was shut down before the call began");
  });
}

// CPython: test_base_events.py, test_set_default_executor.
TEST_F(ExecutorTest, MayBeTheUsersOwn) {
  int submitted = 0;
  loop().set_default_executor(std::make_unique<InlineExecutor>(submitted));
  run([&] {
    const auto here = std::this_thread::get_id();
    EXPECT_EQ(to_thread([] { return std::this_thread::get_id(); }), here);
  });
  EXPECT_EQ(submitted, 1);
}

TEST_F(ExecutorTest, ARefusedCallThrowsAndIsDestroyed) {
  RefusingExecutor refusing;
  auto alive = std::make_shared<int>();
  run([&] {
    EXPECT_THROW(static_cast<void>(loop().run_in_executor(refusing, [alive] {})), std::runtime_error);
    sleep(0s);
    sleep(0s);
  });
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(ExecutorTest, ShutdownOfTheDefaultOneWaitsAndRefusesMore) {
  std::atomic<bool> finished = false;
  run([&] {
    auto work = loop().run_in_executor([&] { finished = true; });
    loop().shutdown_default_executor();
    EXPECT_TRUE(finished);
    expect_usage_error(Reason::loop_is_closed, "the default executor has been shut down",
                       [&] { static_cast<void>(loop().run_in_executor([] {})); });
    await(work);
    loop().set_default_executor(std::make_unique<ThreadPoolExecutor>(1));
    EXPECT_EQ(to_thread([] { return 1; }), 1);
  });
}

// CPython: test_base_events.py, test_shutdown_default_executor_timeout.
TEST_F(ExecutorTest, ShutdownThatTimesOutIsReportedAndTheThreadLeftBehind) {
  auto release = std::make_shared<std::latch>(1);
  run([&] {
    auto work = loop().run_in_executor([release] { release->wait(); });
    loop().shutdown_default_executor(1ns);
    release->count_down();
    await(work);
  });
  expect_reported({"shutdown_default_executor(): some calls did not finish in time"});
}

TEST_F(ExecutorTest, ShutdownWithoutAnExecutorReturnsAtOnce) {
  run([&] { EXPECT_EQ(turns_of([&] { loop().shutdown_default_executor(); }), 0U); });
}

}  // namespace
}  // namespace coir::test
