// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <coir/threads.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <thread>

namespace coir::test {
namespace {

class ThreadsTest : public ThreadedTest {
 protected:
  /// In a task: lets the loop run until no thread works for it.
  void wait_for_threads() {
    while (loop().stats().external_work != 0) sleep(0s);
  }
};

TEST_F(ThreadsTest, PostsOfEightThreadsAllArriveInOrderOfEachThread) {  // L15
  constexpr int threads = 8;
  constexpr int posts = 1000;
  EventLoop real;
  std::vector<int> last(threads, -1);
  int arrived = 0;
  std::vector<std::thread> posters;
  for (int thread = 0; thread < threads; ++thread) {
    posters.emplace_back([&, thread] {
      for (int i = 0; i < posts; ++i) {
        real.call_soon_threadsafe([&, thread, i] {
          EXPECT_EQ(last[static_cast<std::size_t>(thread)], i - 1);
          last[static_cast<std::size_t>(thread)] = i;
          if (++arrived == threads * posts) real.stop();
        });
      }
    });
  }
  real.run_forever();
  for (auto& poster : posters) poster.join();
  EXPECT_EQ(arrived, threads * posts);
}

// CPython: test_events.py, test_call_soon_threadsafe.
TEST_F(ThreadsTest, APostWakesALoopThatSleeps) {
  EventLoop real;
  std::thread poster;
  const auto begun = std::chrono::steady_clock::now();
  real.call_soon([&] { poster = std::thread([&] { real.call_soon_threadsafe([&] { real.stop(); }); }); });
  real.call_later(1min, [] {});
  real.run_forever();
  poster.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
}

TEST_F(ThreadsTest, AHandleMayBeCancelledFromAnotherThreadAndItsCallableDiesOnTheLoops) {
  std::thread::id died_on;
  std::thread([&] {
    Handle handle = loop().call_soon_threadsafe(
        [this, captured = on_destruction([&] { died_on = std::this_thread::get_id(); })] { trace("ran"); });
    handle.cancel();
    EXPECT_TRUE(handle.cancelled());
    EXPECT_EQ(died_on, std::thread::id()) << "still alive: this is not the loop's thread";
  }).join();
  run_ready();
  EXPECT_EQ(died_on, std::this_thread::get_id());
  EXPECT_EQ(events, Trace{});
}

// CPython: test_events.py, test_call_soon_threadsafe_handle_cancel_other_thread (of 3.14).
TEST_F(ThreadsTest, CancelRacesWithRunningWithoutHarm) {
  EventLoop real;
  constexpr int rounds = 2000;
  int ran = 0;
  std::thread canceller([&] {
    for (int i = 0; i < rounds; ++i) {
      Handle handle = real.call_soon_threadsafe([&ran, text = std::string(50, 'x')] { ran += text.size() == 50; });
      if (i % 2 == 0) std::this_thread::yield();
      handle.cancel();
    }
    real.call_soon_threadsafe([&] { real.stop(); });
  });
  real.run_forever();
  canceller.join();
  EXPECT_LE(ran, rounds);
}

TEST_F(ThreadsTest, PostsThatRaceWithCloseRunOrAreDroppedOrAreRefused) {
  const unsigned seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> alive = 0;
    struct Counted {
      std::atomic<int>& count;
      explicit Counted(std::atomic<int>& alive_count) : count(alive_count) { ++count; }
      ~Counted() { --count; }
    };
    EventLoop real;
    std::latch start(3);
    const auto post = [&] {
      start.arrive_and_wait();
      try {
        for (;;) real.call_soon_threadsafe([held = std::make_unique<Counted>(alive)] {});
      } catch (const UsageError& error) {
        EXPECT_EQ(error.reason(), Reason::loop_is_closed);
      }
    };
    std::thread first(post);
    std::thread second(post);
    start.arrive_and_wait();
    for (unsigned turns = static_cast<unsigned>(random()) % 4; turns > 0; --turns) {
      real.stop();
      real.run_forever();
    }
    real.close();
    first.join();
    second.join();
    EXPECT_EQ(alive, 0);
  }
}

// CPython: test_threads.py, test_to_thread, test_to_thread_exception.
TEST_F(ThreadsTest, RunInExecutorReturnsValuesAndFailures) {
  run([&] {
    const auto here = std::this_thread::get_id();
    EXPECT_NE(await(loop().run_in_executor([] { return std::this_thread::get_id(); })), here);
    EXPECT_EQ(*await(loop().run_in_executor([] { return std::make_unique<int>(1); })), 1);
    EXPECT_THROW(await(loop().run_in_executor([] { throw std::out_of_range("x"); })), std::out_of_range);
    EXPECT_EQ(to_thread([] { return std::string("s"); }), "s");
    EXPECT_THROW(to_thread([] { throw std::out_of_range("x"); }), std::out_of_range);
  });
}

TEST_F(ThreadsTest, OthersRunWhileAThreadWorks) {
  run([&] {
    std::latch release(1);
    auto work = loop().run_in_executor([&] { release.wait(); });
    for (int i = 0; i < 3; ++i) sleep(0s);
    EXPECT_EQ(loop().stats().external_work, 1U);
    release.count_down();
    await(work);
    EXPECT_EQ(loop().stats().external_work, 0U);
  });
}

TEST_F(ThreadsTest, CancelOfAnExecutorFutureSucceedsAtOnceAndTheCallGoesOn) {  // R3
  run([&] {
    std::latch begun(1);
    std::latch release(1);
    std::atomic<bool> finished = false;
    auto future = loop().run_in_executor([&] {
      begun.count_down();
      release.wait();
      finished = true;
      return 1;
    });
    auto waiter = create_task([&] { await(future); });
    begun.wait();
    EXPECT_TRUE(future.cancel("enough"));
    EXPECT_TRUE(future.cancelled());
    EXPECT_EQ(ending_of([&] { await(waiter); }), "CancelledError: enough");
    EXPECT_FALSE(finished);
    release.count_down();
    wait_for_threads();
    EXPECT_TRUE(finished) << "it ran to its end and its result was dropped";
  });
}

TEST_F(ThreadsTest, ACallThatHasNotBegunIsSkippedWhenItsFutureIsCancelled) {  // R3
  run([&] {
    ThreadPoolExecutor one_thread(1);
    std::latch release(1);
    std::atomic<bool> ran = false;
    auto first = loop().run_in_executor(one_thread, [&] { release.wait(); });
    auto second = loop().run_in_executor(one_thread, [&] { ran = true; });
    second.cancel();
    release.count_down();
    await(first);
    wait_for_threads();
    EXPECT_FALSE(ran);
  });
}

TEST_F(ThreadsTest, CancelOfToThreadThrowsAtOnce) {  // R3
  run([&] {
    auto release = std::make_shared<std::latch>(1);
    auto task = create_task([release] { to_thread([release] { release->wait(); }); });
    sleep(0s);
    task.cancel("c");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: c");
    release->count_down();
    wait_for_threads();
  });
}

TEST_F(ThreadsTest, AResultThatComesAfterCloseIsDropped) {  // R5
  ThreadPoolExecutor pool(1);
  std::latch begun(1);
  std::latch release(1);
  std::atomic<bool> finished = false;
  auto result = std::make_shared<int>(1);
  auto future = loop().run_in_executor(pool, [&] {
    begun.count_down();
    release.wait();
    finished = true;
    return result;
  });
  begun.wait();
  loop().close();
  release.count_down();
  EXPECT_TRUE(pool.shutdown(1min));
  EXPECT_TRUE(finished);
  EXPECT_FALSE(future.done());
  EXPECT_EQ(result.use_count(), 1);
}

TEST_F(ThreadsTest, AResultThatComesAfterTheLoopIsGoneIsDropped) {  // R5
  ThreadPoolExecutor pool(1);
  std::latch release(1);
  Future<int> future;
  {
    EventLoop short_lived(LoopOptions{.clock = &clock});
    future = short_lived.run_in_executor(pool, [&] {
      release.wait();
      return 1;
    });
  }
  release.count_down();
  EXPECT_TRUE(pool.shutdown(1min));
  EXPECT_FALSE(future.done());
}

// CPython: test_tasks.py, test_run_coroutine_threadsafe, test_run_coroutine_threadsafe_with_exception.
TEST_F(ThreadsTest, RunCoroutineThreadsafeGivesValuesAndFailures) {  // R4
  EventLoop real;
  std::thread client([&] {
    EXPECT_EQ(run_coroutine_threadsafe([] { return sleep(0s, 1); }, real).get(), 1);
    EXPECT_EQ(*run_coroutine_threadsafe([] { return std::make_unique<int>(2); }, real).get(), 2);
    run_coroutine_threadsafe([] { EXPECT_TRUE(current_task()); }, real).get();
    EXPECT_THROW(run_coroutine_threadsafe([] { throw std::out_of_range("x"); }, real).get(), std::out_of_range);
    real.call_soon_threadsafe([&] { real.stop(); });
  });
  real.run_forever();
  client.join();
}

// CPython: test_tasks.py, test_run_coroutine_threadsafe_with_timeout.
TEST_F(ThreadsTest, AThreadThatGivesUpWaitingLeavesTheTaskRunning) {  // R4
  run([&] {
    auto go_on = loop().create_future<void>();
    std::future<int> answer;
    std::thread([&] {
      answer = run_coroutine_threadsafe(
          [&] {
            await(go_on);
            return 1;
          },
          loop());
      EXPECT_EQ(answer.wait_for(0s), std::future_status::timeout);
    }).join();
    sleep(1s);
    EXPECT_EQ(all_tasks().size(), 2U);
    go_on.set_result();
    sleep(1s);
    EXPECT_EQ(answer.get(), 1);
  });
}

// CPython: test_tasks.py, test_run_coroutine_threadsafe_task_cancelled.
TEST_F(ThreadsTest, ATaskThatIsCancelledArrivesAsCancelledErrorAndEndsCancelled) {  // R4
  run([&] {
    auto answer = run_coroutine_threadsafe([] { sleep(1h); }, loop());
    sleep(1s);
    const AnyTask task = all_tasks().at(1);
    task.cancel("by the loop");
    sleep(1s);
    EXPECT_TRUE(task.cancelled());
    EXPECT_EQ(ending_of([&] { answer.get(); }), "CancelledError: by the loop");
    auto early = run_coroutine_threadsafe([this] { trace("began"); }, loop());
    sleep(0s);
    sleep(0s);
    all_tasks().at(1).cancel("before its first step");
    sleep(1s);
    EXPECT_EQ(ending_of([&] { early.get(); }), "CancelledError: before its first step");
  });
  EXPECT_EQ(events, Trace{});
}

// R4. CPython: test_tasks.py, test_run_coroutine_threadsafe_with_timeout, test_run_coroutine_threadsafe_and_cancel.
TEST_F(ThreadsTest, AStopTokenCancelsTheTaskAndTheFutureIsReadyAfterItsCleanUp) {
  EventLoop real;
  std::atomic<bool> cleaned_up = false;
  std::latch begun(1);
  std::thread caller([&] {
    std::stop_source stop;
    auto future = run_coroutine_threadsafe(
        [&] {
          begun.count_down();
          try {
            sleep(1h);
          } catch (const CancelledError&) {
            sleep(1ms);
            cleaned_up = true;
            throw;
          }
        },
        real, stop.get_token());
    begun.wait();
    EXPECT_EQ(future.wait_for(1ms), std::future_status::timeout);
    stop.request_stop();
    EXPECT_THROW(future.get(), CancelledError);
    EXPECT_TRUE(cleaned_up);
    stop.request_stop();
    real.call_soon_threadsafe([&] { real.stop(); });
  });
  real.run_forever();
  caller.join();
}

TEST_F(ThreadsTest, AStopThatWasRequestedBeforeIsACancelBeforeTheFirstStep) {
  EventLoop real;
  std::thread caller([&] {
    std::stop_source stop;
    stop.request_stop();
    auto future = run_coroutine_threadsafe([] { ADD_FAILURE() << "the body ran"; }, real, stop.get_token());
    EXPECT_THROW(future.get(), CancelledError);
    real.call_soon_threadsafe([&] { real.stop(); });
  });
  real.run_forever();
  caller.join();
}

TEST_F(ThreadsTest, AStopRequestedAfterTheTaskOrTheLoopEndedDoesNothing) {
  std::stop_source stop;
  std::future<int> answered;
  std::future<void> abandoned;
  {
    EventLoop real;
    answered = run_coroutine_threadsafe([] { return 1; }, real, stop.get_token());
    abandoned = run_coroutine_threadsafe(
        [&] {
          sleep(1ms);
          real.stop();
        },
        real, stop.get_token());
    real.run_forever();
  }
  stop.request_stop();
  EXPECT_EQ(answered.get(), 1);
}

TEST_F(ThreadsTest, StopsRaceWithEndsWithoutHarm) {
  EventLoop real;
  std::thread caller([&] {
    for (int i = 0; i < 200; ++i) {
      std::stop_source stop;
      auto future = run_coroutine_threadsafe([] { sleep(0s); }, real, stop.get_token());
      if (i % 2 == 0) std::this_thread::yield();
      stop.request_stop();
      try {
        future.get();
      } catch (const CancelledError&) {
      }
    }
    real.call_soon_threadsafe([&] { real.stop(); });
  });
  real.run_forever();
  caller.join();
}

TEST_F(ThreadsTest, KeyboardInterruptInASubmittedTaskLeavesTheLoopToo) {  // L7, R4
  auto answer = run_coroutine_threadsafe([] { throw KeyboardInterrupt("k"); }, loop());
  EXPECT_THROW(loop().run_forever(), KeyboardInterrupt);
  run_ready();
  EXPECT_THROW(answer.get(), KeyboardInterrupt);
}

TEST_F(ThreadsTest, ASubmissionToALoopThatClosesFirstIsABrokenPromise) {  // R4, R5
  auto answer = run_coroutine_threadsafe([] { return 1; }, loop());
  loop().close();
  EXPECT_THROW(answer.get(), std::future_error);
}

// CPython: test_threads.py, test_to_thread_once, test_to_thread_concurrent.
TEST_F(ThreadsTest, ManyTasksMayUseThreadsAtOnce) {
  run([&] {
    std::vector<std::atomic<int>> calls(10);
    std::vector<Task<void>> tasks;
    for (auto& count : calls) tasks.push_back(create_task([&count] { to_thread([&count] { ++count; }); }));
    for (auto& task : tasks) await(task);
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  });
}

}  // namespace
}  // namespace coir::test
