// coir in the race: its public API, as a user would write it.
// SPDX-License-Identifier: MIT
//
// Idiom: plain functions that wait. Echo is a task for each connection, which waits and then receives; with one request
// in flight to receive first would fail each time. cancel_N joins with wait(), for await(task) would throw once more.
#include <sys/eventfd.h>

#include <coir/coir.hpp>

#include "race.hpp"
#include "race_echo.hpp"

namespace {

using race::Figure;
using race::million;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

/// The value of a workload that runs as the main task of a loop.
template <class F>
double in_loop(F&& f) {
  return coir::run([&]() -> double { return f(); });
}

// ---- yield ----------------------------------------------------------------------------------------------------------

double round_robin(std::size_t count) {
  race::RoundRobin robin(count);
  std::vector<coir::Task<void>> tasks;
  tasks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    tasks.push_back(coir::create_task([lead = i == 0, &robin] {
      for (std::size_t turns = robin.turns(); turns != 0; --turns) {
        if (lead) robin.lead();
        coir::sleep(0s);
      }
    }));
  }
  for (const auto& task : tasks) await(task);
  return robin.ns_per_yield();
}

Figure yields(std::size_t count) {
  return in_loop([count] { return round_robin(count); });
}

/// Runs f() in a loop that stays as f() leaves it: nobody waits until a million suspended tasks have ended.
template <class F>
auto in_abandoned_loop(F&& f) {
  return (new coir::EventLoop)->run_until_complete(std::forward<F>(f));
}

/// Suspends a million tasks for good.
void block() {
  const auto never = coir::get_running_loop().create_future<void>();
  for (std::size_t i = 0; i < million; ++i) {
    static_cast<void>(coir::create_task([never] { await(never); }));
  }
  coir::sleep(0s);
}

Figure yield_beside_1m() {
  return in_abandoned_loop([] {
    block();
    return round_robin(1000);
  });
}

Figure blocked_1m() {
  return in_abandoned_loop([] {
    const race::Memory memory;
    block();
    return memory.per_task(million);
  });
}

// ---- spawn ----------------------------------------------------------------------------------------------------------

Figure spawn_join() {
  constexpr std::size_t count = 100'000;
  return in_loop([] {
    std::size_t ran = 0;
    return race::ns_each(count, [&] {
      for (std::size_t i = 0; i < count; ++i) await(coir::create_task([&ran] { ++ran; }));
    });
  });
}

Figure spawn_100k() {
  constexpr std::size_t count = 100'000;
  return in_loop([] {
    std::size_t ran = 0;
    std::vector<coir::Task<void>> tasks;
    tasks.reserve(count);
    return race::ns_each(count, [&] {
      for (std::size_t i = 0; i < count; ++i) tasks.push_back(coir::create_task([&ran] { ++ran; }));
      for (const auto& task : tasks) await(task);
      tasks.clear();
    });
  });
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  leaves /= 10;
  std::array<coir::Task<std::uint64_t>, 10> children;
  for (std::uint64_t i = 0; i < children.size(); ++i) {
    children[i] = coir::create_task([first = first + i * leaves, leaves] { return skynet(first, leaves); });
  }
  std::uint64_t sum = 0;
  for (const auto& child : children) sum += await(child);
  return sum;
}

/// Eager: children run inside of create_task(), so that few exist at the same time, as with asio::spawn and in node.
Figure skynet_1m(bool eager) {
  const auto timed = [] {
    const auto began = std::chrono::steady_clock::now();
    race::check(await(coir::create_task([] { return skynet(0, million); })) == race::skynet_sum, "skynet");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  };
  return coir::run(timed, {.loop = {.eager_tasks = eager}});
}

// ---- await, queue, gather -------------------------------------------------------------------------------------------

Figure await_done() {
  constexpr std::size_t count = 1'000'000;
  return in_loop([] {
    auto future = coir::get_running_loop().create_future<int>();
    future.set_result(1);
    return race::ns_each(count, [&] {
      for (std::size_t i = 0; i < count; ++i) race::keep(await(future));
    });
  });
}

Figure await_callback() {
  constexpr std::size_t count = 300'000;
  return in_loop([] {
    auto& loop = coir::get_running_loop();
    return race::ns_each(count, [&] {
      for (std::size_t i = 0; i < count; ++i) {
        auto future = loop.create_future<void>();
        loop.call_soon([future] { future.set_result(); });
        await(future);
      }
    });
  });
}

Figure queue_ping_pong() {
  constexpr std::size_t count = 200'000;
  return in_loop([] {
    coir::Queue<std::size_t> there;
    coir::Queue<std::size_t> back;
    return race::ns_each(2 * count, [&] {
      auto partner = coir::create_task([&] {
        for (std::size_t i = 0; i < count; ++i) back.put(there.get() + 1);
      });
      std::size_t value = 0;
      for (std::size_t i = 0; i < count; ++i) {
        there.put(value);
        value = back.get();
      }
      await(partner);
      race::check(value == count, "ping-pong");
    });
  });
}

Figure queue_128() {
  constexpr std::size_t count = 2'000'000;
  return in_loop([] {
    coir::Queue<std::size_t> queue(128);
    return race::ns_each(count, [&] {
      auto producer = coir::create_task([&] {
        for (std::size_t i = 0; i < count; ++i) queue.put(i);
      });
      std::size_t sum = 0;
      for (std::size_t i = 0; i < count; ++i) sum += queue.get();
      await(producer);
      race::check(sum == count * (count - 1) / 2, "queue");
    });
  });
}

Figure gather(std::size_t children) {
  const std::size_t repeats = 100'000 / children;
  return in_loop([&] {
    std::vector<coir::Task<std::size_t>> tasks;
    tasks.reserve(children);
    return race::ns_each(repeats * children, [&] {
      for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
        for (std::size_t i = 0; i < children; ++i) tasks.push_back(coir::create_task([i] { return i; }));
        race::keep(await(coir::gather(tasks)));
        tasks.clear();
      }
    });
  });
}

// ---- timers ---------------------------------------------------------------------------------------------------------

Figure sleep_1m() {
  return in_loop([] {
    race::Random random;
    std::vector<coir::Task<void>> tasks;
    tasks.reserve(million);
    const double began = race::cpu_seconds();
    for (std::size_t i = 0; i < million; ++i) {
      tasks.push_back(coir::create_task([duration = random.below(1s)] { coir::sleep(duration); }));
    }
    for (const auto& task : tasks) await(task);
    return race::cpu_seconds() - began;
  });
}

/// Timers an hour or two from now, in no order.
void set_timers(std::size_t count, race::Random& random) {
  auto& loop = coir::get_running_loop();
  for (std::size_t i = 0; i < count; ++i) loop.call_later(1h + random.below(1h), [] {});
}

/// In memory that timers before them have used, as the floor's.
Figure timer_insert() {
  constexpr std::size_t count = 10'000;
  return in_loop([] {
    race::Random random;
    set_timers(million, random);
    std::vector<coir::TimerHandle> earlier;
    for (std::size_t i = 0; i < count * (race::rounds + 1); ++i) {
      earlier.push_back(coir::get_running_loop().call_later(1h, [] {}));
    }
    for (auto& timer : earlier) timer.cancel();
    earlier.clear();
    return race::ns_each(count, [&] {
      set_timers(count, random);
      race::keep(coir::get_running_loop().time());  // until then none of them is in the heap
    });
  });
}

/// Of something that turns out not to wait.
Figure timer_cancel(std::size_t others) {
  constexpr std::size_t count = 100'000;
  constexpr std::size_t batch = 100;
  return in_loop([others] {
    race::Random random;
    set_timers(others, random);
    auto& loop = coir::get_running_loop();
    return race::ns_each(count, [&] {
      for (std::size_t i = 0; i < count / batch; ++i) {
        for (std::size_t j = 0; j < batch; ++j) loop.call_later(1h + random.below(1h), [] {}).cancel();
        coir::sleep(0s);
      }
    });
  });
}

/// The life of most timeouts, amid the others: a turn passes before it is cancelled, so that it has been in the heap.
Figure timer_timeout() {
  constexpr std::size_t count = 100'000;
  return in_loop([] {
    race::Random random;
    set_timers(million, random);
    auto& loop = coir::get_running_loop();
    std::vector<coir::TimerHandle> timers(100);
    return race::ns_each(count, [&] {
      for (std::size_t i = 0; i < count / timers.size(); ++i) {
        for (auto& timer : timers) timer = loop.call_later(1h + random.below(1h), [] {});
        coir::sleep(0s);
        for (auto& timer : timers) timer.cancel();
      }
    });
  });
}

/// All are due when the first turn begins after they have been set.
Figure timer_pop() {
  return in_loop([] {
    auto& loop = coir::get_running_loop();
    race::Random random;
    std::size_t fired = 0;
    auto all = loop.create_future<void>();
    const coir::TimePoint base = loop.time() + 3s;
    for (std::size_t i = 0; i < million; ++i) {
      loop.call_at(base + random.below(1ms), [&] {
        if (++fired == million) all.set_result();
      });
    }
    race::check(loop.time() < base, "too slow to set the timers");
    while (loop.time() < base + 1ms) {
    }
    const auto began = std::chrono::steady_clock::now();
    await(all);
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count() / million;
  });
}

// ---- cancellation ---------------------------------------------------------------------------------------------------

template <int Frames>
Figure cancel() {
  constexpr std::size_t count = 500;
  constexpr int batches = 10;
  return in_loop([] {
    std::vector<double> rounds;
    for (int round = 0; round <= race::rounds; ++round) {
      std::chrono::duration<double, std::nano> took{};
      for (int batch = 0; batch < batches; ++batch) {
        std::vector<coir::Task<void>> tasks;
        for (std::size_t i = 0; i < count; ++i) {
          tasks.push_back(coir::create_task(
              [] { race::behind<Frames>([] { await(coir::get_running_loop().create_future<void>()); }); }));
        }
        coir::sleep(0s);
        const auto began = std::chrono::steady_clock::now();
        for (const auto& task : tasks) task.cancel();
        coir::wait(tasks);
        took += std::chrono::steady_clock::now() - began;
        for (const auto& task : tasks) race::check(task.cancelled(), "not cancelled");
      }
      if (round > 0) rounds.push_back(took.count() / static_cast<double>(batches * count));
    }
    std::sort(rounds.begin(), rounds.end());
    return rounds[rounds.size() / 2];
  });
}

// ---- threads --------------------------------------------------------------------------------------------------------

Figure post_burst() {
  constexpr std::size_t bursts_a_round = 50;
  return in_loop([] {
    auto& loop = coir::get_running_loop();
    coir::Future<void> done;
    std::size_t ran = 0;
    race::Bursts bursts([&](int) {
      loop.call_soon_threadsafe([&] {
        if (++ran % race::Bursts::size == 0) done.set_result();
      });
    });
    return race::ns_each(bursts_a_round * race::Bursts::size, [&] {
      for (std::size_t i = 0; i < bursts_a_round; ++i) {
        done = loop.create_future<void>();
        bursts.ask();
        await(done);
      }
    });
  });
}

/// The other thread sleeps in read(), and wakes the loop by a callback.
Figure thread_round_trip() {
  constexpr int count = 2000;
  const int asked = ::eventfd(0, EFD_CLOEXEC);
  const double ns = in_loop([asked] {
    auto& loop = coir::get_running_loop();
    coir::Future<void> answer;
    std::thread thread([&] {
      for (int i = 0; i < count * (race::rounds + 1); ++i) {
        eventfd_t value = 0;
        if (::eventfd_read(asked, &value) != 0) std::abort();
        loop.call_soon_threadsafe([&answer] { answer.set_result(); });
      }
    });
    const double each = race::ns_each(count, [&] {
      for (int i = 0; i < count; ++i) {
        answer = loop.create_future<void>();
        race::check(::eventfd_write(asked, 1) == 0, "eventfd_write");
        await(answer);
      }
    });
    thread.join();
    return each;
  });
  ::close(asked);
  return ns;
}

Figure idle_8_loops() {
  return race::idle_8_loops([](auto ready) {
    coir::run([ready] {
      for (int i = 0; i < 10'000; ++i) static_cast<void>(coir::create_task([] { coir::sleep(1h); }));
      await(coir::create_task(ready));
      coir::sleep(1h);
    });
  });
}

// ---- echo -----------------------------------------------------------------------------------------------------------

/// A task: until the other side closes.
void serve(int connection, race::Echo& echo) {
  std::array<char, race::echo_bytes> buffer;
  for (;;) {
    coir::await_readable(connection);
    const ssize_t count = ::recv(connection, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EAGAIN) continue;
    if (count <= 0) break;
    echo.received();
    // What was received fits into the buffer of a peer that waits for it.
    race::check(::send(connection, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) == count, "send");
  }
  ::close(connection);
}

Figure echo(int connections) {
  return coir::run([connections]() -> Figure {
    race::Echo echo(connections);
    auto all_closed = coir::get_running_loop().create_future<void>();
    std::vector<coir::Task<void>> tasks;
    while (tasks.size() < static_cast<std::size_t>(connections)) {
      coir::await_readable(echo.listener());
      const int connection = ::accept4(echo.listener(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection < 0) continue;
      race::Echo::no_delay(connection);
      tasks.push_back(coir::create_task([&, connection] {
        serve(connection, echo);
        if (echo.closed()) all_closed.set_result();
      }));
    }
    await(all_closed);
    for (const auto& task : tasks) await(task);
    ::close(echo.listener());
    return echo.figure();
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
                    {"timer_insert", "ns", timer_insert},
                    {"timer_cancel", "ns", [] { return timer_cancel(million); }},
                    {"timer_cancel_empty", "ns", [] { return timer_cancel(0); }},
                    {"timer_timeout", "ns", timer_timeout},
                    {"timer_pop", "ns", timer_pop},
                    {"skynet", "s", [] { return skynet_1m(true); }},
                    {"skynet_fifo", "s", [] { return skynet_1m(false); }},
                    {"post_burst", "ns", post_burst},
                    {"thread_round_trip", "ns", thread_round_trip},
                    {"cancel_1", "ns", cancel<1>},
                    {"cancel_10", "ns", cancel<10>},
                    {"echo_1", "us", [] { return echo(1); }},
                    {"echo_100", "us", [] { return echo(100); }},
                    {"echo_1000", "us", [] { return echo(1000); }},
                    {"idle_8_loops", "CPU-ms/s", idle_8_loops}});
}
