// SPDX-License-Identifier: MIT
// Lock, Semaphore, Event and Condition, with the guards of the standard library.
#include <coir/coir.hpp>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <mutex>
#include <vector>

using namespace std::chrono_literals;

struct Account {
  coir::Lock lock;  // needed because a transfer awaits between reading and writing
  int balance = 100;
};

void transfer(Account& from, Account& to, int amount) {
  const std::scoped_lock both(from.lock, to.lock);  // in any order: no deadlock
  const int rest = from.balance - amount;
  coir::sleep(5ms);  // asks the bank
  from.balance = rest;
  to.balance += amount;
}

int main() {
  coir::run([] {
    Account alice;
    Account bob;
    coir::await(coir::gather([&] { transfer(alice, bob, 30); }, [&] { transfer(bob, alice, 10); },
                             [&] { transfer(alice, bob, 5); }));
    std::printf("alice %d, bob %d\n", alice.balance, bob.balance);

    coir::Semaphore connections(2);  // at most two at a time
    coir::Event open;                // and none before this
    int in_use = 0;
    int most = 0;
    std::vector<coir::Task<void>> fetches;
    for (int i = 0; i < 6; ++i) {
      fetches.push_back(coir::create_task([&] {
        open.wait();
        const std::scoped_lock permit(connections);
        most = std::max(most, ++in_use);
        coir::sleep(1ms);
        --in_use;
      }));
    }
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
