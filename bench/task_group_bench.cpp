// What a task group costs for each child: groups of 1, 10 and 1,000 children that end at once.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/task_group.hpp>

#include <vector>

#include "raw_switch.hpp"

namespace {

void task_group_immediate(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const bench::InRawSwitches ratio(state, static_cast<double>(count));
  coir::run([&] {
    for (auto _ : state) {
      coir::task_group([&](coir::TaskGroup& group) {
        for (std::size_t i = 0; i < count; ++i) group.create_task([] {});
      });
    }
  });
}

/// The yardstick: the same tasks, awaited one after another.
void create_and_await(benchmark::State& state) {
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

/// What the group itself costs.
void task_group_empty(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    for (auto _ : state) coir::task_group([](coir::TaskGroup& group) { benchmark::DoNotOptimize(&group); });
  });
}

BENCHMARK(task_group_immediate)->ArgName("children")->Arg(1)->Arg(10)->Arg(1000);
BENCHMARK(create_and_await)->ArgName("children")->Arg(1)->Arg(10)->Arg(1000);
BENCHMARK(task_group_empty);

}  // namespace
