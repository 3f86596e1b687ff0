// SPDX-License-Identifier: MIT
// libuv as the host: its timer goes on while a plain function awaits.
#include <coir/coir.hpp>
#include <coir/hosts/libuv.hpp>

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
  uv_loop_t* const uv = uv_default_loop();
  {
    coir::EventLoop loop;
    coir::hosts::Libuv host(loop, uv);

    auto third_tick = loop.create_future<void>();
    uv_timer_t timer;
    uv_timer_init(uv, &timer);
    timer.data = &third_tick;
    uv_timer_start(
        &timer,
        [](uv_timer_t* due) {
          std::printf("host: tick %d\n", ++ticks);
          if (ticks < 3) return;
          static_cast<coir::Future<void>*>(due->data)->set_result();
          uv_close(reinterpret_cast<uv_handle_t*>(due), nullptr);
        },
        50, 50);
    auto task = loop.create_task([&] { plain_function(third_tick); });
    uv_run(uv, UV_RUN_DEFAULT);  // until neither side has anything left to do
    task.result();
  }
  uv_run(uv, UV_RUN_DEFAULT);  // lets go of the adapter's handle
  return uv_loop_close(uv);
}
