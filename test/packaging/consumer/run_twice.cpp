// SPDX-License-Identifier: MIT
// Two loops, one after the other.
#include <coir/run.hpp>
#include <coir/sleep.hpp>

#include <chrono>

int main() {
  for (int i = 0; i < 2; ++i) coir::run([] { coir::sleep(std::chrono::milliseconds(1)); });
}
