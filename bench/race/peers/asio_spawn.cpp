// Boost.Asio's stackful coroutines in the race. Idiom: asio::spawn, yield_context, experimental::channel, steady_timer.
// SPDX-License-Identifier: MIT
//
// Fastest settings: an io_context without locks; pooled stacks of 64 KiB where they come and go; channels tried first.
// No stack has a guard.
//
// Not equivalent: spawn starts eagerly, on the spot, so a trivial task is over before spawn returns, and no more than a
// few of skynet's million exist at the same time. Completion handlers count the tasks down in place of a join: spawn
// with a yield_context as completion token does not compile in Boost 1.81 if the function returns a value.
//
// Left out: await_done (no futures); timer_*, post_burst and thread_round_trip, which are asio's rather than a
// coroutine's: see asio_co_await.cpp.
#include <boost/asio.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>

#include <optional>

#include "race_echo.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using race::Figure;
using race::million;

using Executor = asio::io_context::executor_type;
using Yield = asio::basic_yield_context<Executor>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Channel = asio::experimental::channel<Executor, void(error_code, std::size_t)>;

asio::io_context& context = *new asio::io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
boost::context::pooled_fixedsize_stack pool(64 << 10);

void run() {
  context.restart();
  context.run();
}

/// On a pooled stack. done() runs when the task is over.
template <class F, class Done>
void start(F f, Done done) {
  asio::spawn(context, std::allocator_arg, pool, std::move(f), [done](std::exception_ptr error) mutable {
    if (error) std::rethrow_exception(error);
    done();
  });
}
template <class F>
void start(F f) {
  start(std::move(f), [] {});
}

/// How many tasks are still to end, for one that waits for all of them.
class CountDown {
 public:
  explicit CountDown(std::size_t count) : left_(count) {}
  void operator()() {
    if (--left_ == 0 && over_) over_->try_send(error_code{}, 0);
  }
  void wait(Yield yield) {
    if (left_ != 0) over_.emplace(context, 1).async_receive(yield);
  }

 private:
  std::size_t left_;
  std::optional<Channel> over_;  // if someone has to wait
};

Figure yields(std::size_t tasks) {
  race::RoundRobin robin(tasks);
  std::size_t left = tasks;
  for (std::size_t i = 0; i < tasks; ++i) {
    const auto task = [lead = i == 0, &robin, &left](Yield yield) {
      asio::post(context, yield);
      for (std::size_t turns = robin.turns(); turns != 0; --turns) {
        if (lead) robin.lead();
        asio::post(context, yield);
      }
      if (--left == 0) context.stop();
    };
    asio::spawn(context, std::allocator_arg, boost::context::fixedsize_stack(64 << 10), task, asio::detached);
  }
  run();
  return robin.ns_per_yield();
}

/// Suspends a million for good.
void block() {
  static auto& never = *new Channel(context);
  for (std::size_t i = 0; i < million; ++i) {
    asio::spawn(
        context, std::allocator_arg, boost::context::fixedsize_stack(64 << 10),
        [](Yield yield) { never.async_receive(yield); }, asio::detached);
  }
  context.poll();
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
  constexpr std::size_t count = 50'000;
  std::size_t ran = 0;
  return race::ns_each(count, [&] {
    start([&](Yield yield) {
      for (std::size_t i = 0; i < count; ++i) {
        CountDown task(1);
        start([&ran](Yield) { ++ran; }, std::ref(task));
        task.wait(yield);
      }
    });
    run();
  });
}

Figure gather(std::size_t children, std::size_t repeats) {
  std::vector<std::size_t> results(children);
  return race::ns_each(repeats * children, [&] {
    start([&](Yield yield) {
      for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
        CountDown all(children);
        for (std::size_t i = 0; i < children; ++i) start([&results, i](Yield) { results[i] = i; }, std::ref(all));
        all.wait(yield);
        race::keep(results);
      }
    });
    run();
  });
}

Figure await_callback() {
  constexpr std::size_t count = 200'000;
  return race::ns_each(count, [&] {
    start([](Yield yield) {
      for (std::size_t i = 0; i < count; ++i) {
        const auto complete_later = [](auto handler) {
          asio::post(context, [handler = std::move(handler)]() mutable { std::move(handler)(); });
        };
        asio::async_initiate<Yield, void()>(complete_later, yield);
      }
    });
    run();
  });
}

void put(Channel& channel, std::size_t value, Yield yield) {
  if (!channel.try_send(error_code{}, value)) channel.async_send(error_code{}, value, yield);
}

std::size_t get(Channel& channel, Yield yield) {
  std::size_t value = 0;
  if (channel.try_receive([&value](error_code, std::size_t item) { value = item; })) return value;
  return channel.async_receive(yield);
}

Figure queue_ping_pong() {
  constexpr std::size_t count = 50'000;
  Channel to(context, 1), fro(context, 1);
  return race::ns_each(2 * count, [&] {
    start([&](Yield yield) {
      for (std::size_t i = 0; i < count; ++i) put(fro, get(to, yield) + 1, yield);
    });
    start([&](Yield yield) {
      std::size_t value = 0;
      for (std::size_t i = 0; i < count; ++i) {
        put(to, value, yield);
        value = get(fro, yield);
      }
      race::check(value == count, "ping-pong");
    });
    run();
  });
}

Figure queue_128() {
  constexpr std::size_t count = 500'000;
  Channel queue(context, 128);
  return race::ns_each(count, [&] {
    start([&](Yield yield) {
      for (std::size_t i = 0; i < count; ++i) put(queue, i, yield);
    });
    start([&](Yield yield) {
      std::size_t sum = 0;
      for (std::size_t i = 0; i < count; ++i) sum += get(queue, yield);
      race::check(sum == count * (count - 1) / 2, "queue");
    });
    run();
  });
}

Figure sleep_1m() {
  race::Random random;
  const double began = race::cpu_seconds();
  for (std::size_t i = 0; i < million; ++i) {
    const auto task = [duration = random.below(std::chrono::seconds(1))](Yield yield) {
      Timer timer(context, duration);
      timer.async_wait(yield);
    };
    asio::spawn(context, std::allocator_arg, boost::context::fixedsize_stack(64 << 10), task, asio::detached);
  }
  context.run();
  return race::cpu_seconds() - began;
}

std::uint64_t skynet(std::uint64_t first, std::uint64_t leaves, Yield yield) {
  if (leaves == 1) return first;
  std::uint64_t sums[10];
  CountDown all(10);
  leaves /= 10;
  for (std::uint64_t i = 0; i < 10; ++i) {
    start([&sum = sums[i], first = first + i * leaves, leaves](Yield inner) { sum = skynet(first, leaves, inner); },
          std::ref(all));
  }
  all.wait(yield);
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}

Figure skynet_1m() {
  const auto began = std::chrono::steady_clock::now();
  start([](Yield yield) { race::check(skynet(0, million, yield) == race::skynet_sum, "skynet"); });
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

/// The error is one of a system call that was aborted.
template <int Frames>
Figure cancel() {
  constexpr std::size_t count = 1000;
  std::vector<asio::cancellation_signal> signals(count);
  std::size_t cancelled = 0;
  const auto task = [](Yield yield) {
    race::behind<Frames>([yield] { Timer(context, std::chrono::hours(1)).async_wait(yield); });
  };
  const double ns = race::ns_each(
      count,
      [&] {
        for (auto& signal : signals) {
          asio::spawn(context, std::allocator_arg, pool, task,
                      asio::bind_cancellation_slot(signal.slot(), [&cancelled](std::exception_ptr error) {
                        if (error) ++cancelled;
                      }));
        }
        context.restart();
        context.poll();
      },
      [&] {
        for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
        context.run();
      });
  race::check(cancelled == count * (race::rounds + 1), "not cancelled");
  return ns;
}

Figure idle_8_loops() {
  return race::idle_8_loops([](auto ready) {
    asio::io_context loop(1);
    for (int i = 0; i < 10'000; ++i) {
      const auto task = [&loop](Yield yield) {
        Timer timer(loop, std::chrono::hours(1));
        timer.async_wait(yield);
      };
      asio::spawn(loop, std::allocator_arg, boost::context::fixedsize_stack(64 << 10), task, asio::detached);
    }
    asio::post(loop, ready);
    loop.run();
  });
}

using Socket = asio::basic_stream_socket<tcp, Executor>;

Figure echo(int connections) {
  race::Echo echo(connections);
  start([&](Yield yield) {
    asio::basic_socket_acceptor<tcp, Executor> acceptor(context, tcp::v4(), echo.listener());
    for (;;) {
      Socket accepted = acceptor.async_accept(yield);
      accepted.set_option(tcp::no_delay(true));
      start([&echo, socket = std::move(accepted)](Yield inner) mutable {
        char buffer[4096];
        for (error_code error;;) {
          const std::size_t n = socket.async_read_some(asio::buffer(buffer), inner[error]);
          if (error) break;
          echo.received();
          asio::async_write(socket, asio::buffer(buffer, n), inner);
        }
        if (echo.closed()) context.stop();
      });
    }
  });
  run();
  return echo.figure();
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
                    {"spawn_100k", "ns", [] { return gather(100'000, 1); }},
                    {"await_callback", "ns", await_callback},
                    {"queue_ping_pong", "ns", queue_ping_pong},
                    {"queue_128", "ns", queue_128},
                    {"gather_10", "ns", [] { return gather(10, 5000); }},
                    {"gather_1000", "ns", [] { return gather(1000, 50); }},
                    {"sleep_1m", "CPU-s", sleep_1m},
                    {"blocked_1m", "B", blocked_1m},
                    {"skynet", "s", skynet_1m},
                    {"cancel_1", "ns", cancel<1>},
                    {"cancel_10", "ns", cancel<10>},
                    {"echo_1", "us", [] { return echo(1); }},
                    {"echo_100", "us", [] { return echo(100); }},
                    {"echo_1000", "us", [] { return echo(1000); }},
                    {"idle_8_loops", "CPU-ms/s", idle_8_loops}});
}
