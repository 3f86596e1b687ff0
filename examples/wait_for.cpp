// SPDX-License-Identifier: MIT
// Deadlines: for one await, and for a stretch of code.
#include <coir/coir.hpp>

#include <cstdio>

using namespace std::chrono_literals;

int answer_after(std::chrono::milliseconds delay) {
  coir::sleep(delay);
  return 42;
}

int main() {
  coir::run([] {
    std::printf("%d in time\n", coir::wait_for([] { return answer_after(1ms); }, 5s));

    try {
      coir::wait_for([] { return answer_after(5s); }, 10ms);
    } catch (const coir::TimeoutError&) {
      std::printf("too slow\n");
    }

    // One deadline for several awaits, which the code itself may move.
    coir::timeout(10ms, [](coir::Timeout& deadline) {
      deadline.reschedule(coir::get_running_loop().time() + 5s);
      coir::sleep(20ms);
      std::printf("done, expired: %s\n", deadline.expired() ? "yes" : "no");
    });
  });
}
