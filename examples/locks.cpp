// SPDX-License-Identifier: MIT
// Lock, Semaphore, Event and Condition, with the guards of the standard library.
#include <coir/coir.hpp>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <mutex>
#include <vector>

using namespace std::chrono_literals;

int main() {
  coir::run([] {
    coir::Lock lock;  // needed, because a deposit awaits between reading and writing
    int balance = 0;
    const auto deposit = [&] {
      const std::scoped_lock held(lock);
      const int before = balance;
      coir::sleep(5ms);
      balance = before + 10;
    };
    coir::await(coir::gather(deposit, deposit, deposit));
    std::printf("balance %d\n", balance);

    coir::Semaphore connections(2);  // at most two at a time
    coir::Event open;                // and none before this
    int in_use = 0, most = 0;
    const auto fetch = [&] {
      open.wait();
      const std::scoped_lock permit(connections);
      most = std::max(most, ++in_use);
      coir::sleep(1ms);
      --in_use;
    };
    std::vector<coir::Task<void>> fetches;
    for (int i = 0; i < 6; ++i) fetches.push_back(coir::create_task(fetch));
    open.set();
    coir::await(coir::gather(fetches));
    std::printf("%zu fetches, at most %d at once\n", fetches.size(), most);

    coir::Condition condition;
    std::deque<int> items;
    auto consumer = coir::create_task([&] {
      for (int last = 0; last != 3;) {
        std::unique_lock held(condition);
        condition.wait(held, [&] { return !items.empty(); });
        last = items.front();
        items.pop_front();
        std::printf("got %d\n", last);
      }
    });
    for (int item = 1; item <= 3; ++item) {
      const std::scoped_lock held(condition);
      items.push_back(item);
      condition.notify();
    }
    coir::await(consumer);
  });
}
