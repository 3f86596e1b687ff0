// SPDX-License-Identifier: MIT
// A task that two others wait for, and that must not die with the first who loses patience.
#include <coir/coir.hpp>

#include <cstdio>

using namespace std::chrono_literals;

int main() {
  coir::run([] {
    auto connection = coir::create_task([] {
      coir::sleep(40ms);
      return 7;
    });
    auto impatient = coir::create_task([&] { return coir::await(coir::shield(connection)); });
    auto patient = coir::create_task([&] { return coir::await(connection); });

    coir::sleep(10ms);
    impatient.cancel();
    const auto outcome = coir::try_await(impatient);
    std::printf("impatient: %s\n", outcome.has_value() ? "connected" : "gave up");
    std::printf("patient: connection %d\n", coir::await(patient));  // without the shield it would be cancelled, too
  });
}
