// SPDX-License-Identifier: MIT
// No bug: many tasks that switch, throw, await in handlers, recycle stacks and use a second thread.
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>

#include "tasks.hpp"

int main() {
  long sum = 0;
  for (int run = 0; run < 2; ++run) {
    coir::run([&] {
      for (int generation = 0; generation < 3; ++generation) {
        std::vector<coir::Task<long>> tasks;
        for (int i = 0; i < 150; ++i) {
          tasks.push_back(coir::create_task([i] {
            char text[2000];
            for (int round = 0; round < 3; ++round) {
              std::snprintf(text, sizeof text, "%d %*d", i, i, round);
              planted::pause();
            }
            try {
              throw std::runtime_error(text);
            } catch (const std::exception& error) {
              planted::pause();
              return std::stol(error.what());
            }
          }));
        }
        for (const auto& task : tasks) sum += coir::await(task);
      }
      auto future = coir::get_running_loop().create_future<long>();
      std::thread worker([&, &loop = coir::get_running_loop()] {
        loop.call_soon_threadsafe([&] { future.set_result(1); });
      });
      sum += coir::await(future);
      worker.join();
    });
  }
  const bool right = sum == 2 * (3 * 150 * 149 / 2 + 1);
  std::puts(right ? "clean: right" : "clean: wrong");
  return right ? 0 : 1;
}
