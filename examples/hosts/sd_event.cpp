// SPDX-License-Identifier: MIT
// sd-event as the host: its timer goes on while a plain function awaits.
#include <coir/coir.hpp>
#include <coir/hosts/sd_event.hpp>

#include <chrono>
#include <cstdio>
#include <ctime>

using namespace std::chrono_literals;

int ticks = 0;

void plain_function(const coir::Future<void>& third_tick) {
  std::printf("plain function: waits\n");
  coir::await(third_tick);
  std::printf("plain function: goes on after tick %d\n", ticks);
  coir::sleep(1ms);
}

int tick(sd_event_source* timer, std::uint64_t, void* third_tick) {
  std::printf("host: tick %d\n", ++ticks);
  if (ticks == 3) {
    static_cast<coir::Future<void>*>(third_tick)->set_result();
    return 0;
  }
  sd_event_source_set_time_relative(timer, 50'000);
  return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int main() {
  sd_event* event = nullptr;
  sd_event_new(&event);
  {
    coir::EventLoop loop;
    coir::hosts::SdEvent host(loop, event);

    auto third_tick = loop.create_future<void>();
    sd_event_source* timer = nullptr;
    sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, 50'000, 1, tick, &third_tick);
    auto task = loop.create_task([&] {
      plain_function(third_tick);
      sd_event_exit(event, 0);
    });
    sd_event_loop(event);
    task.result();
    sd_event_source_unref(timer);
  }
  sd_event_unref(event);
}
