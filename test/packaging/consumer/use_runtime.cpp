// SPDX-License-Identifier: MIT
// A user of coir::runtime: tasks without combinators.
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <chrono>

int main() {
  return coir::run([] {
    coir::sleep(std::chrono::milliseconds(1));
    return 0;
  });
}
