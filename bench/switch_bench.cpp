// What one switch costs: Boost.Context's own in several forms, whose least is `r`, and FiberPool::switch_to.
// SPDX-License-Identifier: MIT
#include <coir/fibers/fiber.hpp>

#include "raw_switch.hpp"

namespace {

template <class Form>
void raw(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2000);
  Form form;
  for (auto _ : state) form.go(1000);
}

void switch_to(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  static coir::fibers::FiberPool* pool = nullptr;
  static bool stop = false;
  coir::fibers::FiberPool fibers;
  pool = &fibers;
  stop = false;
  coir::fibers::Fiber& other = fibers.acquire(
      [](void*) noexcept -> coir::fibers::Fiber& {
        while (!stop) pool->switch_to(pool->host());
        return pool->host();
      },
      nullptr);
  for (auto _ : state) fibers.switch_to(other);
  stop = true;
  fibers.switch_to(other);
}

/// A new assignment on a recycled fiber, and back when it ends.
void run_assignment(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::fibers::FiberPool fibers;
  const auto entry = [](void* host) noexcept -> coir::fibers::Fiber& { return *static_cast<coir::fibers::Fiber*>(host); };
  for (auto _ : state) fibers.switch_to(fibers.acquire(entry, &fibers.host()));
}

BENCHMARK(raw<bench::raw::Jump>)->Name("raw/jump_fcontext");
BENCHMARK(raw<bench::raw::LocalFiber<1>>)->Name("raw/fiber_resume");
BENCHMARK(raw<bench::raw::LocalFiber<4>>)->Name("raw/fiber_resume_unrolled");
BENCHMARK(raw<bench::raw::StoredFiber>)->Name("raw/fiber_resume_stored");
BENCHMARK(switch_to)->Name("coir/switch_to");
BENCHMARK(run_assignment)->Name("coir/run_assignment");

}  // namespace
