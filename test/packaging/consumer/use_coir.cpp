// SPDX-License-Identifier: MIT
// A user of everything.
#include <coir/coir.hpp>

#include <coir/version.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

int slow() {
  coir::sleep(1ms);
  return 1;
}

int main() {
  int sum = coir::run([] {
    auto [a, b] = coir::await(coir::gather(slow, [] { return 2; }));
    return a + b;
  });
  std::printf("coir %s: %d\n", COIR_VERSION, sum);
  return sum == 3 ? 0 : 1;
}
