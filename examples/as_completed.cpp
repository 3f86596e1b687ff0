// SPDX-License-Identifier: MIT
// Results in the order in which they arrive.
#include <coir/coir.hpp>

#include <cstdio>
#include <vector>

using namespace std::chrono_literals;

int main() {
  coir::run([] {
    std::vector<coir::Task<int>> tasks;
    for (const int n : {3, 1, 2}) {
      tasks.push_back(coir::create_task([n] {
        coir::sleep(n * 20ms);
        return n;
      }));
    }
    for (coir::Future<int>& done : coir::as_completed(tasks)) std::printf("task %d is done\n", coir::await(done));

    auto slow = coir::create_task([] { coir::sleep(5s); });
    try {
      for (coir::Future<void>& done : coir::as_completed(std::vector{slow}, 10ms)) coir::await(done);
    } catch (const coir::TimeoutError& error) {
      std::printf("%s\n", error.what());
    }
    slow.cancel();
  });
}
