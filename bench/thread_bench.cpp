// What it costs to reach a loop from another thread: a wake-up and its answer, and callbacks posted in bursts.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/threads.hpp>

#include <atomic>
#include <thread>

#include "raw_switch.hpp"

namespace {

/// Two loops on two threads, both asleep between messages. Mostly the kernel's, or the hypervisor's, time.
void round_trip(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::EventLoop other;
  std::thread thread([&other] { other.run_forever(); });
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    for (auto _ : state) {
      auto answer = loop.create_future<void>();
      other.call_soon_threadsafe(
          [&] { loop.call_soon_threadsafe([&] { answer.set_result(); }, "answer"); }, "request");
      await(answer);
    }
  });
  other.call_soon_threadsafe([&other] { other.stop(); });
  thread.join();
}

/// A thread posts 1,000 callbacks, the loop runs them; the last one starts the next burst.
void burst(benchmark::State& state) {
  constexpr int size = 1000;
  const bench::InRawSwitches ratio(state, size);
  std::atomic<int> asked{0};
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    coir::Future<void> done;
    std::size_t count = 0;
    std::thread thread([&] {
      for (int served = 0;; ++served) {
        asked.wait(served);
        if (asked.load() < 0) return;
        for (int i = 1; i < size; ++i) loop.call_soon_threadsafe([&count] { ++count; });
        loop.call_soon_threadsafe([&done] { done.set_result(); });
      }
    });
    for (auto _ : state) {
      done = loop.create_future<void>();
      asked.fetch_add(1);
      asked.notify_one();
      await(done);
    }
    asked.store(-1);
    asked.notify_one();
    thread.join();
    benchmark::DoNotOptimize(count);
  });
}

/// An executor's thread there and back: to_thread() of an empty call.
void to_thread(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    for (auto _ : state) coir::to_thread([] {});
  });
}

BENCHMARK(round_trip)->UseRealTime();
BENCHMARK(burst)->UseRealTime();
BENCHMARK(to_thread)->UseRealTime();

}  // namespace
