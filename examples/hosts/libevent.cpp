// SPDX-License-Identifier: MIT
// libevent as the host: its timer goes on while a plain function awaits.
#include <coir/coir.hpp>
#include <coir/hosts/libevent.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

int ticks = 0;

void plain_function(const coir::Future<void>& third_tick) {
  std::printf("plain function: waits\n");
  coir::await(third_tick);
  std::printf("plain function: goes on after tick %d\n", ticks);
  coir::sleep(1ms);
}

int main() {
  event_base* const base = event_base_new();
  {
    coir::EventLoop loop;
    coir::hosts::Libevent host(loop, base);

    auto third_tick = loop.create_future<void>();
    event* const timer = event_new(
        base, -1, EV_PERSIST,
        [](evutil_socket_t, short, void* data) {
          std::printf("host: tick %d\n", ++ticks);
          if (ticks == 3) static_cast<coir::Future<void>*>(data)->set_result();
        },
        &third_tick);
    const timeval period{0, 50'000};
    event_add(timer, &period);
    auto task = loop.create_task([&] {
      plain_function(third_tick);
      event_base_loopbreak(base);
    });
    event_base_dispatch(base);
    task.result();
    event_free(timer);
  }
  event_base_free(base);
}
