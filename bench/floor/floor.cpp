// The floor: how fast the race's workloads are if nothing but what they ask for is done. A limit, not a peer.
// SPDX-License-Identifier: MIT
//
// Here are the workloads of tasks, on the bare loop of loop.hpp; the others are in hardware.cpp and echo.cpp.
// Left out: timer_cancel and timer_cancel_empty, for std::priority_queue cannot; idle_8_loops, whose floor is 0.
#include "floor.hpp"

#include "loop.hpp"

namespace {

using race::Figure;
using race::million;

Figure yields(std::size_t tasks) {
  race::RoundRobin robin(tasks);
  std::vector<bare::Task*> running;
  running.reserve(tasks);
  for (std::size_t i = 0; i < tasks; ++i) {
    running.push_back(bare::spawn([lead = i == 0, &robin] {
      for (std::size_t turns = robin.turns(); turns != 0; --turns) {
        if (lead) robin.lead();
        bare::yield();
      }
    }));
  }
  for (bare::Task* task : running) bare::join(task);
  return robin.ns_per_yield();
}

/// Suspends `count` tasks for good, and waits until they are.
void block(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    bare::spawn([] { bare::suspend(); });
  }
  bare::yield();
}

Figure yield_beside_1m() {
  block(million);
  return yields(1000);
}

Figure spawn_join() {
  constexpr std::size_t count = 100'000;
  std::size_t ran = 0;
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) bare::join(bare::spawn([&ran] { ++ran; }));
  });
}

Figure spawn_100k() {
  constexpr std::size_t count = 100'000;
  std::size_t ran = 0;
  std::vector<bare::Task*> tasks(count);
  return race::ns_each(count, [&] {
    for (bare::Task*& task : tasks) task = bare::spawn([&ran] { ++ran; });
    for (bare::Task* task : tasks) bare::join(task);
  });
}

Figure await_done() {
  constexpr std::size_t count = 1'000'000;
  bare::Event event;
  event.set();
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      race::keep(event);
      event.wait();
    }
  });
}

Figure await_callback() {
  constexpr std::size_t count = 500'000;
  struct Completion : bare::Node {
    bare::Event event;
  };
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      Completion later;
      later.call = [](bare::Node* self) { static_cast<Completion*>(self)->event.set(); };
      bare::make_ready(&later);
      later.event.wait();
    }
  });
}

Figure queue_ping_pong() {
  constexpr std::size_t count = 200'000;
  bare::Channel<std::size_t, 1> to, fro;
  return race::ns_each(2 * count, [&] {
    auto* partner = bare::spawn([&] {
      for (std::size_t i = 0; i < count; ++i) fro.put(to.get() + 1);
    });
    std::size_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      to.put(value);
      value = fro.get();
    }
    bare::join(partner);
    race::check(value == count, "ping-pong");
  });
}

Figure queue_128() {
  constexpr std::size_t count = 2'000'000;
  bare::Channel<std::size_t, 128> queue;
  return race::ns_each(count, [&] {
    auto* producer = bare::spawn([&] {
      for (std::size_t i = 0; i < count; ++i) queue.put(i);
    });
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += queue.get();
    bare::join(producer);
    race::check(sum == count * (count - 1) / 2, "queue");
  });
}

/// Results in an array, and one event when the last one is there.
Figure gather(std::size_t children) {
  const std::size_t repeats = 100'000 / children;
  std::vector<std::size_t> results(children);
  return race::ns_each(repeats * children, [&] {
    for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
      struct {
        std::size_t left;
        bare::Event event;
      } all{children, {}};
      for (std::size_t i = 0; i < children; ++i) {
        bare::spawn([i, &results, &all] {
          results[i] = i;
          if (--all.left == 0) all.event.set();
          bare::current->next = std::exchange(bare::free_tasks, bare::current);  // nobody joins it
        });
      }
      all.event.wait();
      race::keep(results);
    }
  });
}

Figure sleep_1m() {
  race::Random random;
  std::vector<bare::Task*> tasks;
  tasks.reserve(million);
  const double began = race::cpu_seconds();
  for (std::size_t i = 0; i < million; ++i) {
    tasks.push_back(bare::spawn([duration = random.below(std::chrono::seconds(1))] { bare::sleep(duration); }));
  }
  for (bare::Task* task : tasks) bare::join(task);
  return race::cpu_seconds() - began;
}

Figure blocked_1m() {
  const race::Memory memory;
  block(million);
  return memory.per_task(million);
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  std::uint64_t sums[10];
  bare::Task* tasks[10];
  leaves /= 10;
  for (std::uint64_t i = 0; i < 10; ++i) {
    tasks[i] = bare::spawn([&sum = sums[i], first = first + i * leaves, leaves] { sum = skynet(first, leaves); });
  }
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 10; ++i) {
    bare::join(tasks[i]);
    sum += sums[i];
  }
  return sum;
}

Figure skynet_1m() {
  const auto began = std::chrono::steady_clock::now();
  race::check(skynet(0, million) == race::skynet_sum, "skynet");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

int main(int argc, char** argv) {
  return race::run(argc, argv,
                   {{"raw_switch", "ns", raw_switch},
                    {"yield_2", "ns", [] { return yields(2); }},
                    {"yield_1000", "ns", [] { return yields(1000); }},
                    {"yield_100k", "ns", [] { return yields(100'000); }},
                    {"yield_1m", "ns", [] { return yields(million); }},
                    {"yield_beside_1m", "ns", yield_beside_1m},
                    {"spawn_join", "ns", spawn_join},
                    {"spawn_100k", "ns", spawn_100k},
                    {"await_done", "ns", await_done},
                    {"await_callback", "ns", await_callback},
                    {"queue_ping_pong", "ns", queue_ping_pong},
                    {"queue_128", "ns", queue_128},
                    {"gather_10", "ns", [] { return gather(10); }},
                    {"gather_1000", "ns", [] { return gather(1000); }},
                    {"sleep_1m", "CPU-s", sleep_1m},
                    {"blocked_1m", "B", blocked_1m},
                    {"timer_insert", "ns", timer_insert},
                    {"timer_pop", "ns", timer_pop},
                    {"skynet_fifo", "s", skynet_1m},
                    {"post_burst", "ns", post_burst},
                    {"thread_round_trip", "ns", thread_round_trip},
                    {"cancel_1", "ns", cancel_1},
                    {"cancel_10", "ns", cancel_10},
                    {"echo_1", "us", [] { return echo(1); }},
                    {"echo_100", "us", [] { return echo(100); }},
                    {"echo_1000", "us", [] { return echo(1000); }}});
}
