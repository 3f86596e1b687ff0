// What an await costs: of a done future, and from suspension to wake-up when a callback or another task completes it.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include "raw_switch.hpp"

namespace {

void await_done(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    auto future = coir::get_running_loop().create_future<int>();
    future.set_result(1);
    for (auto _ : state) benchmark::DoNotOptimize(await(future));
  });
}

/// A future is made, a callback that completes it posted, and awaited.
void await_callback(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    for (auto _ : state) {
      auto future = loop.create_future<void>();
      loop.call_soon([future] { future.set_result(); });
      await(future);
    }
  });
}

/// Two tasks complete each other's futures in turn: an iteration is two awaits that suspend, each woken by a task.
void await_ping_pong(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    bool stop = false;
    auto ping = loop.create_future<void>();
    auto pong = loop.create_future<void>();
    auto other = coir::create_task([&] {
      while (!stop) {
        await(ping);
        ping = loop.create_future<void>();
        pong.set_result();
      }
    });
    for (auto _ : state) {
      ping.set_result();
      await(pong);
      pong = loop.create_future<void>();
    }
    stop = true;
    ping.set_result();
    await(other);
  });
}

/// The pieces of the above that do not suspend.
void create_future(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    for (auto _ : state) benchmark::DoNotOptimize(loop.create_future<void>());
  });
}

/// 100 callbacks posted, then all run in the next turn.
void call_soon(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 100);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    std::size_t count = 0;
    for (auto _ : state) {
      for (int i = 0; i < 100; ++i) loop.call_soon([&count] { ++count; });
      coir::sleep(std::chrono::seconds(0));
    }
    benchmark::DoNotOptimize(count);
  });
}

BENCHMARK(await_done);
BENCHMARK(await_callback);
BENCHMARK(await_ping_pong);
BENCHMARK(create_future);
BENCHMARK(call_soon);

}  // namespace
