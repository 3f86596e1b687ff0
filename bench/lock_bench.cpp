// What a Lock and a Semaphore cost: when nobody else wants them, beside std::mutex; handed over between two tasks.
// SPDX-License-Identifier: MIT
#include <coir/lock.hpp>
#include <coir/run.hpp>
#include <coir/semaphore.hpp>
#include <coir/sleep.hpp>

#include <mutex>

#include "raw_switch.hpp"

namespace {

/// An iteration is lock() and unlock() of an object that nobody else wants.
template <class Mutex>
void uncontended(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    Mutex mutex;
    for (auto _ : state) {
      mutex.lock();
      benchmark::DoNotOptimize(&mutex);
      benchmark::ClobberMemory();
      mutex.unlock();
      benchmark::ClobberMemory();
    }
  });
}

/// Two tasks that each hold it while the other gets in line: each of an iteration's two lock() suspends, and is woken by
/// the other's unlock().
template <class Mutex>
void hand_over(benchmark::State& state) {
  const bench::InRawSwitches ratio(state, 2);
  coir::run([&] {
    Mutex mutex;
    bool stop = false;
    mutex.lock();
    auto other = coir::create_task([&] {
      while (!stop) {
        mutex.lock();
        mutex.unlock();
      }
    });
    coir::sleep(std::chrono::seconds(0));
    for (auto _ : state) {
      mutex.unlock();
      mutex.lock();  // behind the other, which was woken
    }
    stop = true;
    mutex.unlock();
    await(other);
  });
}

BENCHMARK_TEMPLATE(uncontended, std::mutex);
BENCHMARK_TEMPLATE(uncontended, coir::Lock);
BENCHMARK_TEMPLATE(uncontended, coir::Semaphore);
BENCHMARK_TEMPLATE(hand_over, coir::Lock);
BENCHMARK_TEMPLATE(hand_over, coir::Semaphore);

}  // namespace
