// What it costs to be a guest: one tick of ours against one callback of the host's own, on the same loop of Asio's.
// SPDX-License-Identifier: MIT
#include <coir/await.hpp>
#include <coir/hosts/asio.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <boost/asio/steady_timer.hpp>

#include "raw_switch.hpp"

namespace {

/// The host's own timer, due at once, and its callback.
void timer_of_the_host(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  boost::asio::io_context context;
  const auto work = boost::asio::make_work_guard(context);  // else the context stops behind each
  boost::asio::steady_timer timer(context);
  bool ran = false;
  for (auto _ : state) {
    ran = false;
    timer.expires_after(std::chrono::nanoseconds(0));
    timer.async_wait([&](const boost::system::error_code&) { ran = true; });
    while (!ran) context.run_one();
  }
}
BENCHMARK(timer_of_the_host);

/// A callback that code of the host schedules with us: wakes the host, which pumps.
void tick_of_the_guest(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  boost::asio::io_context context;
  coir::EventLoop loop;
  coir::hosts::Asio host(loop, context);
  const auto work = boost::asio::make_work_guard(context);
  bool ran = false;
  for (auto _ : state) {
    ran = false;
    loop.call_soon([&] { ran = true; });
    while (!ran) context.run_one();
  }
}
BENCHMARK(tick_of_the_guest);

/// A task that yields, again and again: a tick for each.
void yield_of_a_guest(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  boost::asio::io_context context;
  coir::EventLoop loop;
  coir::hosts::Asio host(loop, context);
  auto work = boost::asio::make_work_guard(context);
  std::int64_t yields = 0;
  bool stop = false;
  auto task = loop.create_task([&] {
    while (!stop) {
      ++yields;
      coir::sleep(std::chrono::seconds(0));
    }
  });
  for (auto _ : state) {
    const std::int64_t before = yields;
    while (yields == before) context.run_one();
  }
  stop = true;
  work.reset();
  context.run();
}
BENCHMARK(yield_of_a_guest);

}  // namespace
