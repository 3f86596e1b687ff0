// State Threads in the race. Idiom: st_thread_create and st_thread_join, condition variables, st_read and st_write.
// SPDX-License-Identifier: MIT
//
// Fastest settings: epoll, and stacks of 8 KiB, which become 16 and are never returned.
//
// Not equivalent: yield is st_usleep(0), which goes through the timers. There is neither a future nor a queue: a flag
// or a slot with a condition variable stands for them. There are no callbacks: another thread completes what
// await_callback waits for.
//
// Left out: await_done (no futures); queue_128 (no queues); timer_* (no timers apart from threads); post_burst and
// idle_8_loops (one loop for the process, reached from other threads only by a descriptor); cancel_*
// (st_thread_interrupt is an errno, nothing unwinds).
#include <st.h>

#include <sys/eventfd.h>

#include "race_echo.hpp"

namespace {

using race::Figure;
using race::million;

/// A thread that owns its function.
template <class F>
st_thread_t start(F f, bool joinable = true) {
  const auto body = [](void* f_) -> void* {
    auto* const function = static_cast<F*>(f_);
    (*function)();
    delete function;
    return nullptr;
  };
  const st_thread_t thread = st_thread_create(body, new F(std::move(f)), joinable, 8192);
  race::check(thread != nullptr, "st_thread_create");
  return thread;
}

void join(st_thread_t thread) { st_thread_join(thread, nullptr); }

void yield() { st_usleep(0); }

class Condition {
 public:
  Condition() : condition_(st_cond_new()) {}
  ~Condition() { st_cond_destroy(condition_); }
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  void wait() { st_cond_wait(condition_); }
  void signal() { st_cond_signal(condition_); }

 private:
  st_cond_t condition_;
};

/// What a queue of one amounts to here.
class Slot {
 public:
  void put(std::size_t item) {
    while (full_) taken_.wait();
    item_ = item;
    full_ = true;
    put_.signal();
  }
  std::size_t get() {
    while (!full_) put_.wait();
    full_ = false;
    taken_.signal();
    return item_;
  }

 private:
  std::size_t item_ = 0;
  bool full_ = false;
  Condition put_, taken_;
};

Figure yields(std::size_t tasks) {
  race::RoundRobin robin(tasks);
  std::vector<st_thread_t> running;
  running.reserve(tasks);
  for (std::size_t i = 0; i < tasks; ++i) {
    running.push_back(start([lead = i == 0, &robin] {
      for (std::size_t turns = robin.turns(); turns != 0; --turns) {
        if (lead) robin.lead();
        yield();
      }
    }));
  }
  for (const st_thread_t thread : running) join(thread);
  return robin.ns_per_yield();
}

/// Suspends a million for good.
void block() {
  static auto& never = *new Condition;
  for (std::size_t i = 0; i < million; ++i) start([] { never.wait(); }, false);
  yield();
}

Figure yield_beside_1m() {
  block();
  return yields(1000);
}

Figure blocked_1m() {
  const race::Memory memory;
  block();
  return memory.per_task(million);
}

Figure spawn_join() {
  constexpr std::size_t count = 100'000;
  std::size_t ran = 0;
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) join(start([&ran] { ++ran; }));
  });
}

/// To join all of them is to wait for all of their results, too.
Figure gather(std::size_t children, std::size_t repeats) {
  std::vector<std::size_t> results(children);
  std::vector<st_thread_t> running(children);
  return race::ns_each(repeats * children, [&] {
    for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
      for (std::size_t i = 0; i < children; ++i) running[i] = start([&results, i] { results[i] = i; });
      for (const st_thread_t thread : running) join(thread);
      race::keep(results);
    }
  });
}

Figure await_callback() {
  constexpr std::size_t count = 100'000;
  struct Future {
    bool done = false;
    Condition condition;
  };
  return race::ns_each(count, [&] {
    Future* asked = nullptr;
    Condition wanted;
    const st_thread_t completer = start([&] {
      for (std::size_t i = 0; i < count; ++i) {
        while (asked == nullptr) wanted.wait();
        asked->done = true;
        std::exchange(asked, nullptr)->condition.signal();
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      Future future;
      asked = &future;
      wanted.signal();
      while (!future.done) future.condition.wait();
    }
    join(completer);
  });
}

Figure queue_ping_pong() {
  constexpr std::size_t count = 100'000;
  Slot to, fro;
  return race::ns_each(2 * count, [&] {
    const st_thread_t partner = start([&] {
      for (std::size_t i = 0; i < count; ++i) fro.put(to.get() + 1);
    });
    std::size_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      to.put(value);
      value = fro.get();
    }
    join(partner);
    race::check(value == count, "ping-pong");
  });
}

Figure sleep_1m() {
  race::Random random;
  std::vector<st_thread_t> running;
  running.reserve(million);
  const double began = race::cpu_seconds();
  for (std::size_t i = 0; i < million; ++i) {
    running.push_back(start([duration = random.below(std::chrono::seconds(1))] {
      st_usleep(static_cast<st_utime_t>(duration.count() / 1000));
    }));
  }
  for (const st_thread_t thread : running) join(thread);
  return race::cpu_seconds() - began;
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  std::uint64_t sums[10];
  st_thread_t children[10];
  leaves /= 10;
  for (std::uint64_t i = 0; i < 10; ++i) {
    children[i] = start([&sum = sums[i], first = first + i * leaves, leaves] { sum = skynet(first, leaves); });
  }
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 10; ++i) {
    join(children[i]);
    sum += sums[i];
  }
  return sum;
}

Figure skynet_1m() {
  const auto began = std::chrono::steady_clock::now();
  race::check(skynet(0, million) == race::skynet_sum, "skynet");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

/// By two eventfds: the library's own way is a descriptor.
Figure thread_round_trip() {
  constexpr int count = 1000;
  const int to = ::eventfd(0, EFD_CLOEXEC), fro = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const st_netfd_t answer = st_netfd_open(fro);
  std::thread worker([to, fro] {
    eventfd_t value = 0;
    for (int i = 0; i < count * (race::rounds + 1); ++i) {
      race::check(::eventfd_read(to, &value) == 0 && ::eventfd_write(fro, 1) == 0, "eventfd");
    }
  });
  const double ns = race::ns_each(count, [&] {
    for (int i = 0; i < count; ++i) {
      eventfd_t value = 1;
      race::check(::eventfd_write(to, value) == 0, "eventfd");
      race::check(st_read(answer, &value, sizeof value, ST_UTIME_NO_TIMEOUT) == sizeof value, "st_read");
    }
  });
  worker.join();
  return ns;
}

Figure echo(int connections) {
  race::Echo echo(connections);
  Condition over;
  bool serving = true;
  const st_netfd_t listener = st_netfd_open_socket(echo.listener());
  const auto serve = [&](st_netfd_t connection) {
    char buffer[4096];
    for (ssize_t n; (n = st_read(connection, buffer, sizeof buffer, ST_UTIME_NO_TIMEOUT)) > 0;) {
      echo.received();
      race::check(st_write(connection, buffer, static_cast<std::size_t>(n), ST_UTIME_NO_TIMEOUT) == n, "st_write");
    }
    st_netfd_close(connection);
    if (echo.closed()) {
      serving = false;
      over.signal();
    }
  };
  for (int i = 0; i < connections; ++i) {
    const st_netfd_t connection = st_accept(listener, nullptr, nullptr, ST_UTIME_NO_TIMEOUT);
    race::check(connection != nullptr, "st_accept");
    race::Echo::no_delay(st_netfd_fileno(connection));
    start([serve, connection] { serve(connection); }, false);
  }
  while (serving) over.wait();
  return echo.figure();
}

}  // namespace

int main(int argc, char** argv) {
  st_set_eventsys(ST_EVENTSYS_ALT);
  if (st_init() != 0) return 1;
  return race::run(argc, argv,
                   {{"yield_2", "ns", [] { return yields(2); }},
                    {"yield_1000", "ns", [] { return yields(1000); }},
                    {"yield_100k", "ns", [] { return yields(100'000); }},
                    {"yield_1m", "ns", [] { return yields(million); }},
                    {"yield_beside_1m", "ns", yield_beside_1m},
                    {"spawn_join", "ns", spawn_join},
                    {"spawn_100k", "ns", [] { return gather(100'000, 1); }},
                    {"await_callback", "ns", await_callback},
                    {"queue_ping_pong", "ns", queue_ping_pong},
                    {"gather_10", "ns", [] { return gather(10, 5000); }},
                    {"gather_1000", "ns", [] { return gather(1000, 50); }},
                    {"sleep_1m", "CPU-s", sleep_1m},
                    {"blocked_1m", "B", blocked_1m},
                    {"skynet", "s", skynet_1m},
                    {"thread_round_trip", "ns", thread_round_trip},
                    {"echo_1", "us", [] { return echo(1); }},
                    {"echo_100", "us", [] { return echo(100); }},
                    {"echo_1000", "us", [] { return echo(1000); }}});
}
