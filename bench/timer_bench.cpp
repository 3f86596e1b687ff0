// What a timer costs: set, set and cancelled, and fired, among none and among 1,000,000 others.
// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <cstdint>
#include <vector>

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

/// Cancelled afterwards, off the clock: the heap is the same in every iteration.
template <class Set>
void add_by(benchmark::State& state, Set&& set) {
  among_others(state, batch, [&](coir::EventLoop& loop, FarDeadlines& deadlines) {
    std::vector<coir::TimerHandle> handles(batch);
    for (auto _ : state) {
      const auto began = std::chrono::steady_clock::now();
      for (auto& handle : handles) handle = set(loop, deadlines.next());
      benchmark::DoNotOptimize(loop.time());  // until then those set by a delay are not in the heap
      state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
      for (auto& handle : handles) handle.cancel();
    }
  });
}
void add(benchmark::State& state) {
  add_by(state, [](coir::EventLoop& loop, coir::Duration delay) { return loop.call_later(delay, [] {}); });
}
/// The same without reading the clock.
void add_at(benchmark::State& state) {
  const coir::TimePoint now = coir::EventLoop().time();
  add_by(state, [now](coir::EventLoop& loop, coir::Duration delay) { return loop.call_at(now + delay, [] {}); });
}

/// A timeout of something that turns out not to wait.
void add_and_cancel(benchmark::State& state) {
  among_others(state, batch, [&](coir::EventLoop& loop, FarDeadlines& deadlines) {
    for (auto _ : state) {
      for (int i = 0; i < batch; ++i) loop.call_later(deadlines.next(), [] {}).cancel();
      coir::sleep(0s);
    }
  });
}
/// The life of most timeouts: it has been in the heap.
void add_and_cancel_later(benchmark::State& state) {
  among_others(state, batch, [&](coir::EventLoop& loop, FarDeadlines& deadlines) {
    std::vector<coir::TimerHandle> handles(batch);
    for (auto _ : state) {
      for (auto& handle : handles) handle = loop.call_later(deadlines.next(), [] {});
      coir::sleep(0s);
      for (auto& handle : handles) handle.cancel();
    }
  });
}
void add_at_and_cancel(benchmark::State& state) {
  among_others(state, batch, [&](coir::EventLoop& loop, FarDeadlines& deadlines) {
    const coir::TimePoint now = loop.time();
    for (auto _ : state) {
      for (int i = 0; i < batch; ++i) loop.call_at(now + deadlines.next(), [] {}).cancel();
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

BENCHMARK(add)->ArgName("others")->Arg(0)->Arg(1'000'000)->UseManualTime();
BENCHMARK(add_at)->ArgName("others")->Arg(0)->Arg(1'000'000)->UseManualTime();
BENCHMARK(add_and_cancel)->ArgName("others")->Arg(0)->Arg(1'000'000);
BENCHMARK(add_and_cancel_later)->ArgName("others")->Arg(0)->Arg(1'000'000);
BENCHMARK(add_at_and_cancel)->ArgName("others")->Arg(0)->Arg(1'000'000);
BENCHMARK(add_and_fire)->ArgName("others")->Arg(0)->Arg(1'000'000);

}  // namespace
