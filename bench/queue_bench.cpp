// What a Queue costs for each item: between two tasks that take turns, from one to another, and without any waiting.
// SPDX-License-Identifier: MIT
#include <coir/queue.hpp>
#include <coir/run.hpp>

#include "raw_switch.hpp"

namespace {

/// An iteration is a request and its answer: two items, each of which a task waits for.
void ping_pong(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  coir::run([&] {
    coir::Queue<int> requests;
    coir::Queue<int> answers;
    auto server = coir::create_task([&] {
      while (const int request = requests.get()) answers.put(request);
    });
    for (auto _ : state) {
      requests.put(1);
      benchmark::DoNotOptimize(answers.get());
    }
    requests.put(0);
    await(server);
  });
}

/// One producer, one consumer, room for 128: an iteration is 1,280 items.
void bounded(benchmark::State& state) {
  constexpr int items = 1280;
  const bench::InRawSwitches ratio(state, items);
  coir::run([&] {
    coir::Queue<int> queue(128);
    auto consumer = coir::create_task([&] {
      for (int& item : queue) benchmark::DoNotOptimize(item);
    });
    for (auto _ : state) {
      for (int i = 0; i < items; ++i) queue.put(i);
    }
    queue.shutdown();
    await(consumer);
  });
}

/// Neither call waits: an iteration is one item in and out.
void put_and_get(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    coir::Queue<int> queue(128);
    for (auto _ : state) {
      queue.put(1);
      benchmark::DoNotOptimize(queue.get());
    }
  });
}
void put_and_get_nowait(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    coir::Queue<int> queue(128);
    for (auto _ : state) {
      queue.put_nowait(1);
      benchmark::DoNotOptimize(queue.get_nowait());
    }
  });
}

BENCHMARK(ping_pong);
BENCHMARK(bounded);
BENCHMARK(put_and_get);
BENCHMARK(put_and_get_nowait);

}  // namespace
