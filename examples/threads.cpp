// SPDX-License-Identifier: MIT
// Blocking work on other threads, and calls from other threads into the loop.
#include <coir/coir.hpp>

#include <cstdio>
#include <future>
#include <numeric>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
  coir::run([] {
    // A blocking call moves to a thread; the loop goes on meanwhile.
    auto ticks = coir::create_task([] {
      coir::sleep(1ms);
      return "the loop went on";
    });
    const long sum = coir::to_thread([] {
      std::vector<long> numbers(100'000);
      std::iota(numbers.begin(), numbers.end(), 1);
      return std::accumulate(numbers.begin(), numbers.end(), 0L);
    });
    std::printf("%ld, %s\n", sum, coir::await(ticks));

    // A legacy library calls back on a thread of its own: hop to the loop, then complete the future there.
    coir::EventLoop& loop = coir::get_running_loop();
    auto measured = loop.create_future<int>();
    std::thread sensor([&loop, measured_ptr = &measured] {
      loop.call_soon_threadsafe([measured_ptr] { measured_ptr->set_result(21); });
    });
    std::printf("sensor says %d\n", coir::await(measured));
    sensor.join();

    // A thread asks the loop to run something and waits for the result.
    const int doubled = coir::to_thread([&loop] {
      return coir::run_coroutine_threadsafe([] { coir::sleep(1ms); return 42; }, loop).get();
    });
    std::printf("%d\n", doubled);
  });
}
