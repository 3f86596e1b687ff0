// Boost.Fiber in the race. Idiom: fibers, fibers::future, buffered_channel; the default round robin scheduler.
// SPDX-License-Identifier: MIT
//
// Fastest settings: pooled stacks where they come and go; the default ones where a million is wanted, for the pool
// doubles what it asks for. Either kind is malloc'ed, has no guard, takes 128 KiB of addresses and touches two pages.
//
// Not equivalent: there are no loop callbacks, so another fiber completes the future of await_callback. Channels,
// futures and the remote wake-up are made for several threads, and take spinlocks and atomics here, too.
//
// Left out: timer_* (no timers apart from fibers), cancel_* (no cancellation), echo_* (no I/O).
#include <boost/fiber/all.hpp>

#include "race.hpp"

namespace {

namespace fibers = boost::fibers;
using race::Figure;
using race::million;

fibers::pooled_fixedsize_stack pool;

/// A fiber on a pooled stack.
template <class F>
fibers::fiber start(F f) {
  return fibers::fiber(std::allocator_arg, pool, std::move(f));
}

Figure yields(std::size_t tasks) {
  race::RoundRobin robin(tasks);
  std::vector<fibers::fiber> running;
  running.reserve(tasks);
  for (std::size_t i = 0; i < tasks; ++i) {
    running.emplace_back([lead = i == 0, &robin] {
      for (std::size_t turns = robin.turns(); turns != 0; --turns) {
        if (lead) robin.lead();
        boost::this_fiber::yield();
      }
    });
  }
  for (auto& fiber : running) fiber.join();
  return robin.ns_per_yield();
}

/// Suspends a million fibers for good.
void block() {
  static auto& never = *new fibers::promise<void>;
  static auto& future = *new fibers::shared_future<void>(never.get_future().share());
  for (std::size_t i = 0; i < million; ++i) fibers::fiber([] { future.wait(); }).detach();
  boost::this_fiber::yield();
}

Figure yield_beside_1m() {
  block();
  return yields(1000);
}

Figure spawn_join() {
  constexpr std::size_t count = 20'000;
  std::size_t ran = 0;
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) start([&ran] { ++ran; }).join();
  });
}

Figure spawn_100k() {
  constexpr std::size_t count = 100'000;
  std::size_t ran = 0;
  std::vector<fibers::fiber> running(count);
  return race::ns_each(count, [&] {
    for (auto& fiber : running) fiber = start([&ran] { ++ran; });
    for (auto& fiber : running) fiber.join();
  });
}

Figure await_done() {
  constexpr std::size_t count = 500'000;
  fibers::promise<int> promise;
  promise.set_value(1);
  const fibers::shared_future<int> future = promise.get_future().share();
  int sum = 0;
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) sum += future.get();
    race::keep(sum);
  });
}

/// A second fiber, which yields all the time, stands for the callback.
Figure await_callback() {
  constexpr std::size_t count = 50'000;
  return race::ns_each(count, [&] {
    fibers::promise<int>* asked = nullptr;
    bool stop = false;
    auto completer = start([&] {
      for (; !stop; boost::this_fiber::yield()) {
        if (asked != nullptr) std::exchange(asked, nullptr)->set_value(1);
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      fibers::promise<int> promise;
      auto future = promise.get_future();
      asked = &promise;
      race::keep(future.get());
    }
    stop = true;
    completer.join();
  });
}

Figure queue_ping_pong() {
  constexpr std::size_t count = 50'000;
  fibers::buffered_channel<std::size_t> to(2), fro(2);
  return race::ns_each(2 * count, [&] {
    auto partner = start([&] {
      for (std::size_t i = 0; i < count; ++i) fro.push(to.value_pop() + 1);
    });
    std::size_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      to.push(value);
      value = fro.value_pop();
    }
    partner.join();
    race::check(value == count, "ping-pong");
  });
}

Figure queue_128() {
  constexpr std::size_t count = 500'000;
  fibers::buffered_channel<std::size_t> queue(128);  // holds 127
  return race::ns_each(count, [&] {
    auto producer = start([&] {
      for (std::size_t i = 0; i < count; ++i) queue.push(i);
    });
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += queue.value_pop();
    producer.join();
    race::check(sum == count * (count - 1) / 2, "queue");
  });
}

Figure gather(std::size_t children) {
  const std::size_t repeats = 10'000 / children;
  std::vector<fibers::future<std::size_t>> results(children);
  return race::ns_each(repeats * children, [&] {
    for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
      for (std::size_t i = 0; i < children; ++i) {
        results[i] = fibers::async(fibers::launch::post, std::allocator_arg, pool, [i] { return i; });
      }
      std::size_t sum = 0;
      for (auto& result : results) sum += result.get();
      race::check(sum == children * (children - 1) / 2, "gather");
    }
  });
}

Figure sleep_1m() {
  race::Random random;
  std::vector<fibers::fiber> running;
  running.reserve(million);
  const double began = race::cpu_seconds();
  for (std::size_t i = 0; i < million; ++i) {
    running.emplace_back(
        [duration = random.below(std::chrono::seconds(1))] { boost::this_fiber::sleep_for(duration); });
  }
  for (auto& fiber : running) fiber.join();
  return race::cpu_seconds() - began;
}

Figure blocked_1m() {
  const race::Memory memory;
  block();
  return memory.per_task(million);
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  std::uint64_t sums[10];
  fibers::fiber children[10];
  leaves /= 10;
  for (std::uint64_t i = 0; i < 10; ++i) {
    children[i] = fibers::fiber([&sum = sums[i], first = first + i * leaves, leaves] { sum = skynet(first, leaves); });
  }
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 10; ++i) {
    children[i].join();
    sum += sums[i];
  }
  return sum;
}

Figure skynet_1m() {
  const auto began = std::chrono::steady_clock::now();
  race::check(skynet(0, million) == race::skynet_sum, "skynet");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

/// Completions come over a channel that has room for a burst.
Figure post_burst() {
  constexpr std::size_t count = 20;
  fibers::buffered_channel<int> completions(1024);
  race::Bursts bursts([&](int i) { completions.push(i); });
  return race::ns_each(count * race::Bursts::size, [&] {
    for (std::size_t burst = 0; burst < count; ++burst) {
      bursts.ask();
      for (int left = race::Bursts::size; left != 0; --left) race::keep(completions.value_pop());
    }
  });
}

Figure thread_round_trip() {
  constexpr int count = 1000;
  fibers::buffered_channel<int> to(2), fro(2);
  std::thread worker([&] {
    for (int value = 0; to.pop(value) == fibers::channel_op_status::success;) fro.push(value);
  });
  const double ns = race::ns_each(count, [&] {
    for (int i = 0; i < count; ++i) {
      to.push(i);
      race::check(fro.value_pop() == i, "round trip");
    }
  });
  to.close();
  worker.join();
  return ns;
}

Figure idle_8_loops() {
  return race::idle_8_loops([](auto ready) {
    for (int i = 0; i < 10'000; ++i)
      fibers::fiber([] { boost::this_fiber::sleep_for(std::chrono::hours(1)); }).detach();
    fibers::fiber(ready).detach();
    boost::this_fiber::sleep_for(std::chrono::hours(1));
  });
}

}  // namespace

int main(int argc, char** argv) {
  return race::run(argc, argv,
                   {{"yield_2", "ns", [] { return yields(2); }},
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
                    {"skynet", "s", skynet_1m},
                    {"post_burst", "ns", post_burst},
                    {"thread_round_trip", "ns", thread_round_trip},
                    {"idle_8_loops", "CPU-ms/s", idle_8_loops}});
}
