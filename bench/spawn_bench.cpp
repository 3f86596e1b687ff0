// What a task costs from birth to join, when it does nothing: one after another, and 100,000 at once.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>

#include <vector>

#include "raw_switch.hpp"

namespace {

void spawn_and_join(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    for (auto _ : state) await(coir::create_task([] {}));
  });
}

void spawn_and_join_value(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    for (auto _ : state) benchmark::DoNotOptimize(await(coir::create_task([] { return 1; })));
  });
}

void spawn_many(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const bench::InRawSwitches ratio(state, static_cast<double>(count));
  coir::run([&] {
    std::vector<coir::Task<void>> tasks;
    tasks.reserve(count);
    for (auto _ : state) {
      for (std::size_t i = 0; i < count; ++i) tasks.push_back(coir::create_task([] {}));
      for (const auto& task : tasks) await(task);
      tasks.clear();
    }
  });
}

BENCHMARK(spawn_and_join);
BENCHMARK(spawn_and_join_value);
BENCHMARK(spawn_many)->ArgName("tasks")->Arg(100)->Arg(100'000);

}  // namespace
