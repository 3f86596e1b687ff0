// Boost.Asio's C++20 coroutines in the race. Idiom: co_spawn, use_awaitable, experimental::channel, steady_timer.
// SPDX-License-Identifier: MIT
//
// Fastest settings: executors of a known type in place of any_io_executor; where no other thread takes part, an
// io_context without locks; channels tried first, for their waiting operations always go through the loop.
//
// Not equivalent: coroutines have no stack, each frame is an allocation. A "future" is an asynchronous operation whose
// handler is posted. What needs no coroutine is in asio_callbacks.cpp and stands here for asio as a whole.
//
// Left out: await_done (no futures).
#include <boost/asio.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include "asio_callbacks.hpp"
#include "race_echo.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using race::Figure;
using race::million;

using Executor = asio::io_context::executor_type;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Channel = asio::experimental::channel<Executor, void(error_code, std::size_t)>;
template <class T>
using Task = asio::awaitable<T, Executor>;
constexpr asio::use_awaitable_t<Executor> use_awaitable;

/// Of the workloads that stay on one thread.
asio::io_context& context = *new asio::io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);

void rethrow(std::exception_ptr error) {
  if (error) std::rethrow_exception(error);
}

/// Until the loop has nothing to do.
void run(Task<void> task) {
  asio::co_spawn(context, std::move(task), rethrow);
  context.restart();
  context.run();
}

// ---- tasks ----------------------------------------------------------------------------------------------------------

Figure yields(std::size_t tasks) {
  race::RoundRobin robin(tasks);
  std::size_t left = tasks;
  for (std::size_t i = 0; i < tasks; ++i) {
    const auto task = [](bool lead, race::RoundRobin& all, std::size_t& running) -> Task<void> {
      for (std::size_t turns = all.turns(); turns != 0; --turns) {
        if (lead) all.lead();
        co_await asio::post(context, use_awaitable);
      }
      if (--running == 0) context.stop();
    };
    asio::co_spawn(context, task(i == 0, robin, left), rethrow);
  }
  context.restart();
  context.run();
  return robin.ns_per_yield();
}

/// Suspends a million coroutines for good.
void block() {
  static auto& never = *new Channel(context);
  const auto task = []() -> Task<void> { co_await never.async_receive(use_awaitable); };
  for (std::size_t i = 0; i < million; ++i) asio::co_spawn(context, task(), asio::detached);
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

Task<std::size_t> trivial(std::size_t value) { co_return value; }

Figure spawn_join() {
  constexpr std::size_t count = 50'000;
  const auto round = []() -> Task<void> {
    for (std::size_t i = 0; i < count; ++i) {
      race::check(co_await asio::co_spawn(context, trivial(i), use_awaitable) == i, "spawn");
    }
  };
  return race::ns_each(count, [&] { run(round()); });
}

/// The last to complete is the join.
Figure spawn_100k() {
  constexpr std::size_t count = 100'000;
  return race::ns_each(count, [] {
    std::size_t joined = 0;
    for (std::size_t i = 0; i < count; ++i) {
      asio::co_spawn(context, trivial(i), [&](std::exception_ptr, std::size_t) { ++joined; });
    }
    context.restart();
    context.run();
    race::check(joined == count, "spawn");
  });
}

Figure await_callback() {
  constexpr std::size_t count = 200'000;
  const auto round = []() -> Task<void> {
    for (std::size_t i = 0; i < count; ++i) {
      const auto complete_later = [](auto handler) {
        asio::post(context, [handler = std::move(handler)]() mutable { std::move(handler)(); });
      };
      co_await asio::async_initiate<decltype(use_awaitable), void()>(complete_later, use_awaitable);
    }
  };
  return race::ns_each(count, [&] { run(round()); });
}

Task<void> put(Channel& channel, std::size_t value) { return channel.async_send(error_code{}, value, use_awaitable); }

Figure queue_ping_pong() {
  constexpr std::size_t count = 50'000;
  const auto round = []() -> Task<void> {
    Channel to(context, 1), fro(context, 1);
    const auto partner = [](Channel& in, Channel& out) -> Task<void> {
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t value = co_await in.async_receive(use_awaitable) + 1;
        if (!out.try_send(error_code{}, value)) co_await put(out, value);
      }
    };
    asio::co_spawn(context, partner(to, fro), rethrow);
    std::size_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!to.try_send(error_code{}, value)) co_await put(to, value);
      value = co_await fro.async_receive(use_awaitable);
    }
    race::check(value == count, "ping-pong");
  };
  return race::ns_each(2 * count, [&] { run(round()); });
}

Figure queue_128() {
  constexpr std::size_t count = 200'000;
  const auto round = []() -> Task<void> {
    Channel queue(context, 128);
    const auto producer = [](Channel& out) -> Task<void> {
      for (std::size_t i = 0; i < count; ++i) {
        if (!out.try_send(error_code{}, i)) co_await put(out, i);
      }
    };
    asio::co_spawn(context, producer(queue), rethrow);
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!queue.try_receive([&sum](error_code, std::size_t item) { sum += item; })) {
        sum += co_await queue.async_receive(use_awaitable);
      }
    }
    race::check(sum == count * (count - 1) / 2, "queue");
  };
  return race::ns_each(count, [&] { run(round()); });
}

using Child = decltype(asio::co_spawn(context, trivial(0), asio::deferred));

/// All results, by a parallel group.
Task<std::vector<std::size_t>> gather(std::vector<Child> children) {
  auto group = asio::experimental::make_parallel_group(std::move(children));
  auto [order, errors, values] = co_await group.async_wait(asio::experimental::wait_for_all(), use_awaitable);
  co_return std::move(values);
}

Figure gather_trivial(std::size_t children) {
  const std::size_t repeats = 20'000 / children;
  const auto round = [](std::size_t number, std::size_t times) -> Task<void> {
    for (std::size_t repeat = 0; repeat < times; ++repeat) {
      std::vector<Child> started;
      started.reserve(number);
      for (std::size_t i = 0; i < number; ++i) started.push_back(asio::co_spawn(context, trivial(i), asio::deferred));
      const auto results = co_await gather(std::move(started));
      race::check(results.size() == number && results.back() == number - 1, "gather");
    }
  };
  return race::ns_each(repeats * children, [&] { run(round(children, repeats)); });
}

Task<std::size_t> skynet(std::size_t first, std::size_t leaves) {
  if (leaves == 1) co_return first;
  leaves /= 10;
  std::vector<Child> children;
  children.reserve(10);
  for (std::size_t i = 0; i < 10; ++i) {
    children.push_back(asio::co_spawn(context, skynet(first + i * leaves, leaves), asio::deferred));
  }
  std::size_t sum = 0;
  for (const std::size_t part : co_await gather(std::move(children))) sum += part;
  co_return sum;
}

Figure skynet_1m() {
  const auto began = std::chrono::steady_clock::now();
  run([]() -> Task<void> { race::check(co_await skynet(0, million) == race::skynet_sum, "skynet"); }());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

Task<void> sleep_for(std::chrono::nanoseconds duration) {
  Timer timer(context, duration);
  co_await timer.async_wait(use_awaitable);
}

Figure sleep_1m() {
  race::Random random;
  const double began = race::cpu_seconds();
  for (std::size_t i = 0; i < million; ++i) {
    asio::co_spawn(context, sleep_for(random.below(std::chrono::seconds(1))), rethrow);
  }
  context.run();
  return race::cpu_seconds() - began;
}

// ---- cancellation ---------------------------------------------------------------------------------------------------

template <int Frames>
Task<void> sleep_behind() {
  struct Guard {
    ~Guard() { race::keep(*this); }
    int frame = Frames;
  } guard;
  if constexpr (Frames <= 1) {
    co_await sleep_for(std::chrono::hours(1));
  } else {
    co_await sleep_behind<Frames - 1>();
  }
}

/// The error is one of a system call that was aborted, rethrown in each frame.
template <int Frames>
Figure cancel() {
  constexpr std::size_t count = 1000;
  std::vector<asio::cancellation_signal> signals(count);
  std::size_t cancelled = 0;
  const double ns = race::ns_each(
      count,
      [&] {
        for (auto& signal : signals) {
          asio::co_spawn(context, sleep_behind<Frames>(),
                         asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
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

// ---- other threads -------------------------------------------------------------------------------------------------

Figure thread_round_trip() {
  constexpr std::size_t count = 1000;
  asio::io_context loop(1), other(1);
  const auto working = asio::make_work_guard(other);
  std::thread worker([&] { other.run(); });
  const auto round = [](asio::io_context& from, asio::io_context& to) -> Task<void> {
    for (std::size_t i = 0; i < count; ++i) {
      const auto there_and_back = [&](auto handler) {
        const auto back = asio::make_work_guard(from);
        asio::post(to, [&from, back, handler = std::move(handler)]() mutable { asio::post(from, std::move(handler)); });
      };
      co_await asio::async_initiate<decltype(use_awaitable), void()>(there_and_back, use_awaitable);
    }
  };
  const double ns = race::ns_each(count, [&] {
    asio::co_spawn(loop, round(loop, other), rethrow);
    loop.restart();
    loop.run();
  });
  other.stop();
  worker.join();
  return ns;
}

Figure idle_8_loops() {
  return race::idle_8_loops([](auto ready) {
    asio::io_context loop(1);
    const auto task = [](asio::io_context& ctx) -> Task<void> {
      Timer timer(ctx, std::chrono::hours(1));
      co_await timer.async_wait(use_awaitable);
    };
    for (int i = 0; i < 10'000; ++i) asio::co_spawn(loop, task(loop), rethrow);
    asio::post(loop, ready);
    loop.run();
  });
}

// ---- echo -----------------------------------------------------------------------------------------------------------

using Socket = asio::basic_stream_socket<tcp, Executor>;

Task<void> serve(Socket socket, race::Echo& echo) {
  char buffer[4096];
  for (;;) {
    const auto [error, n] = co_await socket.async_read_some(asio::buffer(buffer), asio::as_tuple(use_awaitable));
    if (error) break;
    echo.received();
    co_await asio::async_write(socket, asio::buffer(buffer, n), use_awaitable);
  }
  if (echo.closed()) context.stop();
}

Figure echo(int connections) {
  race::Echo echo(connections);
  const auto accept = [](race::Echo& all) -> Task<void> {
    asio::basic_socket_acceptor<tcp, Executor> acceptor(context, tcp::v4(), all.listener());
    for (;;) {
      Socket socket = co_await acceptor.async_accept(use_awaitable);
      socket.set_option(tcp::no_delay(true));
      asio::co_spawn(context, serve(std::move(socket), all), rethrow);
    }
  };
  run(accept(echo));
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
                    {"spawn_100k", "ns", spawn_100k},
                    {"await_callback", "ns", await_callback},
                    {"queue_ping_pong", "ns", queue_ping_pong},
                    {"queue_128", "ns", queue_128},
                    {"gather_10", "ns", [] { return gather_trivial(10); }},
                    {"gather_1000", "ns", [] { return gather_trivial(1000); }},
                    {"sleep_1m", "CPU-s", sleep_1m},
                    {"blocked_1m", "B", blocked_1m},
                    {"timer_insert", "ns", timer_insert},
                    {"timer_cancel", "ns", [] { return timer_cancel(million); }},
                    {"timer_cancel_empty", "ns", [] { return timer_cancel(0); }},
                    {"timer_pop", "ns", timer_pop},
                    {"skynet", "s", skynet_1m},
                    {"post_burst", "ns", post_burst},
                    {"thread_round_trip", "ns", thread_round_trip},
                    {"cancel_1", "ns", cancel<1>},
                    {"cancel_10", "ns", cancel<10>},
                    {"echo_1", "us", [] { return echo(1); }},
                    {"echo_100", "us", [] { return echo(100); }},
                    {"echo_1000", "us", [] { return echo(1000); }},
                    {"idle_8_loops", "CPU-ms/s", idle_8_loops}});
}
