// SPDX-License-Identifier: MIT
// Two workers share the orders of one waiter. The queue is short: who orders faster than they cook has to wait.
#include <coir/coir.hpp>

#include <cstdio>
#include <string>

using namespace std::chrono_literals;

int main() {
  coir::run([] {
    coir::Queue<std::string> orders(2);
    coir::task_group([&](coir::TaskGroup& kitchen) {
      for (const char* cook : {"Ann", "Bob"}) {
        kitchen.create_task([&orders, cook] {
          for (std::string& order : orders) {
            coir::sleep(order == "soup" ? 10ms : 34ms);
            std::printf("%s: %s\n", cook, order.c_str());
            orders.task_done();
          }
          std::printf("%s: goes home\n", cook);
        });
      }
      for (const char* order : {"roast", "soup", "soup", "tart", "soup"}) orders.put(order);
      std::printf("the last order is in, %zu wait\n", orders.qsize());
      orders.join();
      std::printf("all is served\n");
      orders.shutdown();
    });
  });
}
