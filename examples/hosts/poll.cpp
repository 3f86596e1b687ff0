// SPDX-License-Identifier: MIT
// A home-made poll() loop with timers as the host: what every adapter in <coir/hosts/...> does, in plain view.
#include <coir/coir.hpp>

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <vector>

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock;

// ---- the loop that the program has had for years ----
std::multimap<Time::time_point, std::function<void()>> timers;
std::map<int, std::function<void()>> readers;
bool finished = false;

void run_loop() {
  while (!finished) {
    int timeout = -1;
    if (!timers.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers.begin()->first - Time::now());
      timeout = static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count());
    }
    std::vector<pollfd> fds;
    for (const auto& reader : readers) fds.push_back({reader.first, POLLIN, 0});
    ::poll(fds.data(), fds.size(), timeout);
    for (const pollfd& fd : fds) {
      if (fd.revents != 0) readers[fd.fd]();
    }
    while (!timers.empty() && timers.begin()->first <= Time::now()) timers.extract(timers.begin()).mapped()();
  }
}

// ---- and what is new ----
int ticks = 0;

void plain_function(const coir::Future<void>& third_tick) {
  std::printf("plain function: waits\n");
  coir::await(third_tick);
  std::printf("plain function: goes on after tick %d\n", ticks);
  coir::sleep(1ms);
  finished = true;
}

int main() {
  coir::EventLoop loop;
  coir::Host host;                                   // asks for nothing
  coir::Attachment attachment(loop, host);
  readers[loop.backend_fd()] = [&] { loop.pump(); };  // that is all

  auto third_tick = loop.create_future<void>();
  std::function<void()> tick = [&] {
    std::printf("host: tick %d\n", ++ticks);
    if (ticks == 3) return third_tick.set_result();
    timers.emplace(Time::now() + 50ms, tick);
  };
  timers.emplace(Time::now() + 50ms, tick);
  auto task = loop.create_task([&] { plain_function(third_tick); });
  run_loop();
  task.result();
}
