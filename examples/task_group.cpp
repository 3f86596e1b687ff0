// SPDX-License-Identifier: MIT
// Tasks that end with their block: whichever way it ends, none of them runs on behind it.
#include <coir/coir.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

void build(const std::string& part, std::chrono::milliseconds takes) {
  try {
    coir::sleep(takes);
  } catch (const coir::CancelledError&) {
    std::printf("%s: given up\n", part.c_str());
    throw;
  }
  if (part == "roof") throw std::runtime_error("no tiles for the " + part);
  std::printf("%s: built\n", part.c_str());
}

int main() {
  coir::run([] {
    coir::task_group([](coir::TaskGroup& group) {
      group.create_task([] { build("walls", 20ms); });
      group.create_task([] { build("floor", 10ms); });
    });
    std::printf("the walls and the floor stand\n");

    try {
      coir::task_group([](coir::TaskGroup& group) {
        group.create_task([] { build("roof", 10ms); });
        group.create_task([] { build("garden", 1h); });
      });
    } catch (const coir::ExceptionGroup& group) {
      for (const auto& error : group.exceptions()) std::printf("failed: %s\n", coir::describe(error).c_str());
    }

    coir::task_group([](coir::TaskGroup& group) {
      group.create_task([] { build("pond", 1h); });
      group.create_task([&] {
        coir::sleep(10ms);
        std::printf("it rains: that is all for today\n");
        group.cancel();
      });
    });
  });
}
