// SPDX-License-Identifier: MIT
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <chrono>

extern "C" __attribute__((visibility("default"))) int run_a_loop() {
  return coir::run([] {
    coir::sleep(std::chrono::milliseconds(1));
    return 42;
  });
}
