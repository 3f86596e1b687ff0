// Work whose instructions cmake/instruction_counts.py counts: `instructions WORKLOAD N` does N operations of it.
// SPDX-License-Identifier: MIT
#include <coir/coir.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;

void yield_two(long n) {
  auto other = coir::create_task([n] {
    for (long i = 0; i < n / 2; ++i) coir::sleep(0s);
  });
  for (long i = 0; i < n / 2; ++i) coir::sleep(0s);
  await(other);
}

void create_and_join(long n) {
  for (long i = 0; i < n; ++i) await(coir::create_task([] {}));
}

/// In batches, so that memory for all of them is recycled from the second one on.
void create_many(long n) {
  std::vector<coir::Task<void>> tasks;
  for (long i = 0; i < n; ++i) {
    tasks.push_back(coir::create_task([] {}));
    if (tasks.size() < 100) continue;
    for (const auto& task : tasks) await(task);
    tasks.clear();
  }
  for (const auto& task : tasks) await(task);
}

void await_done(long n) {
  auto future = coir::get_running_loop().create_future<int>();
  future.set_result(1);
  for (long i = 0; i < n; ++i) {
    if (await(future) != 1) std::abort();
  }
}

void await_callback(long n) {
  auto& loop = coir::get_running_loop();
  for (long i = 0; i < n; ++i) {
    auto future = loop.create_future<void>();
    loop.call_soon([future] { future.set_result(); });
    await(future);
  }
}

/// Each await suspends, and another task wakes it.
void await_task(long n) {
  auto& loop = coir::get_running_loop();
  bool stop = false;
  auto ping = loop.create_future<void>();
  auto pong = loop.create_future<void>();
  auto other = coir::create_task([&] {
    while (!stop) {
      await(ping);
      ping = loop.create_future<void>();
      pong.set_result();
    }
  });
  for (long i = 0; i < n / 2; ++i) {
    ping.set_result();
    await(pong);
    pong = loop.create_future<void>();
  }
  stop = true;
  ping.set_result();
  await(other);
}

void queue_ping_pong(long n) {
  coir::Queue<int> requests;
  coir::Queue<int> answers;
  auto server = coir::create_task([&] {
    while (const int request = requests.get()) answers.put(request);
  });
  for (long i = 0; i < n / 2; ++i) {
    requests.put(1);
    if (answers.get() != 1) std::abort();
  }
  requests.put(0);
  await(server);
}

void queue_bounded(long n) {
  coir::Queue<long> queue(128);
  auto consumer = coir::create_task([&] {
    for (long& item : queue) static_cast<void>(item);
  });
  for (long i = 0; i < n; ++i) queue.put(i);
  queue.shutdown();
  await(consumer);
}

void gather_ten(long n) {
  for (long i = 0; i < n / 10; ++i) {
    const auto nothing = [] {};
    await(coir::gather(nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing));
  }
}

void lock(long n) {
  coir::Lock lock;
  for (long i = 0; i < n; ++i) {
    lock.acquire();
    lock.release();
  }
}

void timer_set_and_cancel(long n) {
  auto& loop = coir::get_running_loop();
  for (long i = 0; i < n; ++i) {
    loop.call_later(1h, [] {}).cancel();
    if (i % 100 == 99) coir::sleep(0s);
  }
}

/// Due at once, a hundred in a turn.
void timer_fire(long n) {
  auto& loop = coir::get_running_loop();
  for (long i = 0; i < n; ++i) {
    loop.call_later(0s, [] {});
    if (i % 100 == 99) coir::sleep(0s);
  }
}

void call_soon(long n) {
  auto& loop = coir::get_running_loop();
  for (long i = 0; i < n; ++i) {
    loop.call_soon([] {});
    if (i % 100 == 99) coir::sleep(0s);
  }
}

/// A C callback that comes from a callback of the loop.
void bridge(long n) {
  auto& loop = coir::get_running_loop();
  for (long i = 0; i < n; ++i) {
    coir::from_callback<int>([&](auto done) {
      const auto cb = std::move(done).template c<void(int, void*)>([](auto& d, int value) { d(value); });
      loop.call_soon([cb] { cb.fn(1, cb.ud); });
    });
  }
}

struct Workload {
  const char* name;
  void (*run)(long n);
};

constexpr Workload workloads[] = {
    {"yield_two", yield_two},
    {"create_and_join", create_and_join},
    {"create_many", create_many},
    {"await_done", await_done},
    {"await_callback", await_callback},
    {"await_task", await_task},
    {"queue_ping_pong", queue_ping_pong},
    {"queue_bounded", queue_bounded},
    {"gather_ten", gather_ten},
    {"lock", lock},
    {"timer_set_and_cancel", timer_set_and_cancel},
    {"timer_fire", timer_fire},
    {"call_soon", call_soon},
    {"bridge", bridge},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    for (const Workload& workload : workloads) {
      if (std::strcmp(workload.name, argv[1]) != 0) continue;
      coir::run([&] { workload.run(std::strtol(argv[2], nullptr, 10)); });
      return 0;
    }
  }
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const Workload& workload : workloads) std::puts(workload.name);
    return 0;
  }
  std::fprintf(stderr, "usage: instructions WORKLOAD OPERATIONS | --list\n");
  return 2;
}
