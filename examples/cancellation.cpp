// SPDX-License-Identifier: MIT
// A cancellation arrives as an exception at an await. Clean-up may await; std::exception handlers do not see it.
#include <coir/coir.hpp>

#include <cstdio>
#include <exception>

using namespace std::chrono_literals;

struct Connection {
  ~Connection() {
    coir::sleep(5ms);  // saying goodbye takes a moment, also while an exception is on its way
    std::printf("connection closed\n");
  }
};

void serve() {
  const Connection connection;
  try {
    coir::sleep(1h);
  } catch (const std::exception&) {
    std::printf("never printed: CancelledError is not a std::exception\n");
  }
}

int main() {
  coir::run([] {
    auto server = coir::create_task(serve);
    coir::sleep(10ms);
    server.cancel("shutting down");
    try {
      coir::await(server);
    } catch (const coir::CancelledError& error) {
      std::printf("cancelled: %s\n", error.message().c_str());
    }

    auto stubborn = coir::create_task([] {
      for (int requests = 1;; ++requests) {
        try {
          coir::sleep(1h);
        } catch (const coir::CancelledError&) {
          if (requests == 2) throw;  // once for each request, and the task may go on
          std::printf("not yet\n");
        }
      }
    });
    coir::sleep(0ms);
    stubborn.cancel();
    coir::sleep(0ms);
    stubborn.cancel();
    coir::wait(std::vector{stubborn});
    std::printf("stubborn is %s\n", stubborn.cancelled() ? "cancelled" : "done");
  });
}
