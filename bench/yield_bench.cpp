// What it costs to let everybody else run once: sleep(0) in 2 and in 1,000 tasks, with timers and descriptors around.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <vector>

#include "raw_switch.hpp"

namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;

/// An iteration is one turn: each of `tasks` tasks yields once.
void turns(benchmark::State& state, int tasks) {
  bool stop = false;
  std::vector<coir::Task<void>> others;
  for (int i = 1; i < tasks; ++i) {
    others.push_back(coir::create_task([&stop] {
      while (!stop) coir::sleep(0s);
    }));
  }
  coir::sleep(0s);  // everybody has a stack
  for (auto _ : state) coir::sleep(0s);
  stop = true;
  for (auto& task : others) await(task);
}

void yield(benchmark::State& state) {
  const auto tasks = static_cast<int>(state.range(0));
  const bench::InRawSwitches ratio(state, tasks);
  coir::run([&] { turns(state, tasks); });
}

void yield_with_timer(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  coir::run([&] {
    auto timer = coir::get_running_loop().call_later(1h, [] {});
    turns(state, 2);
    timer.cancel();
  });
}

void yield_with_descriptor(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  coir::run([&] {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    coir::get_running_loop().add_reader(fd, [] {});
    turns(state, 2);
    coir::get_running_loop().remove_reader(fd);
    ::close(fd);
  });
}

BENCHMARK(yield)->ArgName("tasks")->Arg(1)->Arg(2)->Arg(1000)->Arg(100'000);
BENCHMARK(yield_with_timer);
BENCHMARK(yield_with_descriptor);

}  // namespace
