// What a suspended task costs in memory, mappings and time to make, at 100,000 and 1,000,000 of them, all guarded.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "raw_switch.hpp"

namespace {

double resident_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double mappings() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<double>(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
}

/// Timed: creating the tasks and running each up to its await. Not timed: waking and joining them.
void suspended_tasks(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const bench::InRawSwitches ratio(state, static_cast<double>(count));
  const double resident_before = resident_bytes();
  const double mappings_before = mappings();
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    for (auto _ : state) {
      auto gate = loop.create_future<void>();
      for (std::size_t i = 0; i < count; ++i) static_cast<void>(coir::create_task([gate] { await(gate); }));
      coir::sleep(std::chrono::seconds(0));
      state.PauseTiming();
      const double resident = resident_bytes() - resident_before;
      const coir::LoopStats stats = loop.stats();
      state.counters["bytes_per_task"] = resident / static_cast<double>(count);
      state.counters["rss_GiB"] = resident / (1 << 30);
      state.counters["mappings"] = mappings() - mappings_before;
      state.counters["guarded"] = static_cast<double>(stats.fibers.stacks.carved - stats.fibers.stacks.unguarded);
      gate.set_result();
      while (loop.stats().tasks > 1) coir::sleep(std::chrono::seconds(0));
      state.ResumeTiming();
    }
  });
}

BENCHMARK(suspended_tasks)
    ->ArgName("tasks")
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
