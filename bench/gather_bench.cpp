// What gather() costs for each task: 10 and 1,000 that end at once, and 10 that yield first.
// SPDX-License-Identifier: MIT
#include <coir/gather.hpp>
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <vector>

#include "raw_switch.hpp"

namespace {

template <class Fn>
void gather(benchmark::State& state, Fn task) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const bench::InRawSwitches ratio(state, static_cast<double>(count));
  coir::run([&] {
    const std::vector<Fn> tasks(count, task);
    for (auto _ : state) benchmark::DoNotOptimize(await(coir::gather(tasks)));
  });
}

void gather_immediate(benchmark::State& state) {
  gather(state, [] { return 1; });
}
void gather_yielding(benchmark::State& state) {
  gather(state, [] {
    coir::sleep(std::chrono::seconds(0));
    return 1;
  });
}

/// The yardstick: the same tasks, awaited one after another.
void await_each(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const bench::InRawSwitches ratio(state, static_cast<double>(count));
  coir::run([&] {
    std::vector<coir::Task<int>> tasks;
    for (auto _ : state) {
      for (std::size_t i = 0; i < count; ++i) tasks.push_back(coir::create_task([] { return 1; }));
      for (const auto& task : tasks) benchmark::DoNotOptimize(await(task));
      tasks.clear();
    }
  });
}

BENCHMARK(gather_immediate)->ArgName("tasks")->Arg(10)->Arg(1000);
BENCHMARK(gather_yielding)->ArgName("tasks")->Arg(10);
BENCHMARK(await_each)->ArgName("tasks")->Arg(10)->Arg(1000);

}  // namespace
