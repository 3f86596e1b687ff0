// SPDX-License-Identifier: MIT
// A user of coir::combinators.
#include <coir/gather.hpp>
#include <coir/run.hpp>

int main() {
  return coir::run([] {
    auto [a, b] = coir::await(coir::gather([] { return 2; }, [] { return -2; }));
    return a + b;
  });
}
