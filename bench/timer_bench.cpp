// What a timer costs: set, set and cancelled, and fired, among none and among 1,000,000 others.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <cstdint>

#include "raw_switch.hpp"

namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;
constexpr int batch = 100;

/// Deadlines an hour or two from now, in no order, the same in every run.
class FarDeadlines {
 public:
  coir::Duration next() {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return 1h + std::chrono::microseconds(random_ >> 32);
  }

 private:
  std::uint64_t random_ = 1;
};

/// A loop with state.range(0) timers outstanding.
template <class Body>
void among_others(benchmark::State& state, double operations, Body&& body) {
  const bench::InRawSwitches ratio(state, operations);
  coir::EventLoop loop;
  FarDeadlines deadlines;
  for (std::int64_t i = 0; i < state.range(0); ++i) loop.call_later(deadlines.next(), [] {});
  loop.run_until_complete([&] { body(loop, deadlines); });
}

/// The heap grows as it goes: the number of iterations is fixed, or it would be another heap in every run.
void add(benchmark::State& state) {
  among_others(state, 1, [&](coir::EventLoop& loop, FarDeadlines& deadlines) {
    for (auto _ : state) loop.call_later(deadlines.next(), [] {});
  });
}

/// The life of most timeouts.
void add_and_cancel(benchmark::State& state) {
  among_others(state, batch, [&](coir::EventLoop& loop, FarDeadlines& deadlines) {
    for (auto _ : state) {
      for (int i = 0; i < batch; ++i) loop.call_later(deadlines.next(), [] {}).cancel();
      coir::sleep(0s);
    }
  });
}

/// Timers that are due at once, from call to callback.
void add_and_fire(benchmark::State& state) {
  among_others(state, batch, [&](coir::EventLoop& loop, FarDeadlines&) {
    std::size_t fired = 0;
    for (auto _ : state) {
      for (int i = 0; i < batch; ++i) loop.call_later(0s, [&fired] { ++fired; });
      coir::sleep(0s);
    }
    benchmark::DoNotOptimize(fired);
  });
}

BENCHMARK(add)->ArgName("others")->Arg(0)->Arg(1'000'000)->Iterations(100'000);
BENCHMARK(add_and_cancel)->ArgName("others")->Arg(0)->Arg(1'000'000)->Iterations(10'000);
BENCHMARK(add_and_fire)->ArgName("others")->Arg(0)->Arg(1'000'000);

}  // namespace
