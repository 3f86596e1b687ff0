// SPDX-License-Identifier: MIT
// Waiting for some of many: until the first is done, until the first failure, or for a while.
#include <coir/coir.hpp>

#include <cstdio>
#include <vector>

using namespace std::chrono_literals;

int main() {
  coir::run([] {
    std::vector<coir::Task<int>> mirrors;
    for (const int n : {1, 2, 3}) {
      mirrors.push_back(coir::create_task([n] {
        coir::sleep(n * 20ms);
        return n;
      }));
    }
    auto [done, pending] = coir::wait(mirrors, {.return_when = coir::ReturnWhen::first_completed});
    std::printf("mirror %d answered first, %zu still work\n", coir::await(done.front()), pending.size());

    // A timeout neither throws nor cancels: it only ends the waiting.
    auto [in_time, late] = coir::wait(pending, {.timeout = 1ms});
    std::printf("%zu more after a moment, %zu still work\n", in_time.size(), late.size());

    for (const auto& task : late) task.cancel();
    auto [ended, none] = coir::wait(late);
    std::printf("%zu ended, the last one %s\n", ended.size(), ended.back().cancelled() ? "cancelled" : "by itself");
  });
}
