// SPDX-License-Identifier: MIT
// Boost.Asio as the host: its timer goes on while a plain function awaits, on one thread and without a lock.
#include <coir/coir.hpp>
#include <coir/hosts/asio.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdio>
#include <functional>

using namespace std::chrono_literals;

int ticks = 0;

void plain_function(const coir::Future<void>& third_tick) {
  std::printf("plain function: waits\n");
  coir::await(third_tick);
  std::printf("plain function: goes on after tick %d\n", ticks);
  coir::sleep(1ms);
}

int main() {
  boost::asio::io_context context;
  coir::EventLoop loop;
  coir::hosts::Asio host(loop, context);

  auto third_tick = loop.create_future<void>();
  boost::asio::steady_timer timer(context);
  std::function<void(const boost::system::error_code&)> tick = [&](const boost::system::error_code&) {
    std::printf("host: tick %d\n", ++ticks);
    if (ticks == 3) return third_tick.set_result();
    timer.expires_after(50ms);
    timer.async_wait(tick);
  };
  timer.expires_after(50ms);
  timer.async_wait(tick);
  auto task = loop.create_task([&] { plain_function(third_tick); });
  context.run();  // until neither side has anything left to do
  task.result();
}
