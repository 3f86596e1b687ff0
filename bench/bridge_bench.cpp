// What it costs to await a C callback: on the loop's thread, from another thread, and against what one would write by
// hand. SPDX-License-Identifier: MIT
#include <coir/from_callback.hpp>
#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/stream.hpp>

#include <boost/version.hpp>

#if BOOST_VERSION >= 108100 && __has_include(<boost/asio/spawn.hpp>)
#define COIR_BENCH_ASIO 1  // before, spawn needs Boost.Coroutine
#include <boost/asio.hpp>
#include <boost/asio/spawn.hpp>
#endif

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "raw_switch.hpp"

namespace {

using Answer = void (*)(int status, void* user);

/// A C API of which one call may be outstanding.
struct Library {
  Answer answer = nullptr;
  void* user = nullptr;
  void ask(Answer fn, void* ud) {
    answer = fn;
    user = ud;
  }
  void call() { std::exchange(answer, nullptr)(1, user); }
};

constexpr auto start = [](Library& library) {
  return [&library](auto done) {
    const auto cb = std::move(done).template c<void(int, void*)>([](auto& d, int n) { d(n); });
    library.ask(cb.fn, cb.ud);
  };
};

/// The library calls back from a callback of the loop.
void round_trip(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    Library library;
    for (auto _ : state) {
      loop.call_soon([&library] { library.call(); });
      benchmark::DoNotOptimize(coir::from_callback<int>(start(library)));
    }
  });
}

/// The same without a bridge, by somebody who knows that the callback comes on this thread, once, and in time.
void round_trip_by_hand(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    Library library;
    for (auto _ : state) {
      loop.call_soon([&library] { library.call(); });
      auto future = loop.create_future<int>();
      library.ask([](int n, void* user) { static_cast<coir::Future<int>*>(user)->set_result(n); }, &future);
      benchmark::DoNotOptimize(await(future));
    }
  });
}

/// The library calls back from another task: two switches, and no callback of the loop.
void round_trip_with_a_task(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    bool stop = false;
    Library library;
    auto other = coir::create_task([&] {
      while (!stop) {
        if (library.answer != nullptr) library.call();
        coir::sleep(std::chrono::seconds(0));
      }
    });
    for (auto _ : state) benchmark::DoNotOptimize(coir::from_callback<int>(start(library)));
    stop = true;
    await(other);
  });
}

/// The same with a timeout that never fires.
void round_trip_with_a_timeout(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    auto& loop = coir::get_running_loop();
    Library library;
    for (auto _ : state) {
      loop.call_soon([&library] { library.call(); });
      benchmark::DoNotOptimize(coir::from_callback<int>(start(library), {.timeout = std::chrono::seconds(5)}));
    }
  });
}

/// It calls back at once: what a bridge costs without a switch.
void at_once(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    Library library;
    for (auto _ : state) {
      benchmark::DoNotOptimize(coir::from_callback<int>([&](auto done) {
        start(library)(std::move(done));
        library.call();
      }));
    }
  });
}

/// And without a ticket; the difference is what a ticket costs.
void at_once_without_ticket(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    for (auto _ : state) benchmark::DoNotOptimize(coir::from_callback<int>([&](auto done) { done(1); }));
  });
}

/// An item emitted and taken, on the loop's thread.
void stream_item(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  coir::run([&] {
    Library library;
    auto stream = coir::stream_from_callback<int>(start(library));
    for (auto _ : state) {
      library.answer(1, library.user);
      benchmark::DoNotOptimize(stream.next());
    }
  });
}

#ifdef COIR_BENCH_ASIO
/// Asio's own: async_initiate and a yield_context, one thread, no locks.
void asio_spawn_round_trip(benchmark::State& state) {
  namespace asio = boost::asio;
  const bench::InRawSwitches ratio(state);
  asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
  asio::spawn(
      context,
      [&](asio::yield_context yield) {
        for (auto _ : state) {
          const int got = asio::async_initiate<asio::yield_context, void(int)>(
              [&](auto handler) {
                asio::post(context, [handler = std::move(handler)]() mutable { std::move(handler)(1); });
              },
              yield);
          benchmark::DoNotOptimize(got);
        }
      },
      [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
      });
  context.run();
}
BENCHMARK(asio_spawn_round_trip);
#endif

/// A thread that calls back as soon as it is asked to.
class Caller {
 public:
  Caller() : thread_([this] { serve(); }) {}
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() {
    library.answer = nullptr;
    ring();
    thread_.join();
  }
  void ask(Answer fn, void* ud) {
    library.ask(fn, ud);
    ring();
  }

 private:
  void ring() {
    asked_.fetch_add(1);
    asked_.notify_one();
  }
  void serve() {
    for (int served = 0;; ++served) {
      asked_.wait(served);
      if (library.answer == nullptr) return;
      const Library copy = library;  // asked again before the call returns
      copy.answer(1, copy.user);
    }
  }
  Library library;
  std::atomic<int> asked_{0};
  std::thread thread_;
};

void foreign_thread(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  Caller caller;
  coir::run([&] {
    for (auto _ : state) {
      benchmark::DoNotOptimize(coir::from_callback<int>([&](auto done) {
        const auto cb = std::move(done).template c<void(int, void*)>([](auto& d, int n) { d(n); });
        caller.ask(cb.fn, cb.ud);
      }));
    }
  });
}

/// What blocks the thread instead: a mutex, a flag and a condition variable on its stack.
void foreign_thread_condition_variable(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  Caller caller;
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  for (auto _ : state) {
    Wait wait;
    caller.ask(
        [](int, void* user) {
          auto& it = *static_cast<Wait*>(user);
          const std::scoped_lock lock(it.mutex);
          it.done = true;
          it.changed.notify_one();
        },
        &wait);
    std::unique_lock lock(wait.mutex);
    wait.changed.wait(lock, [&] { return wait.done; });
  }
}

void foreign_thread_promise(benchmark::State& state) {
  const bench::InRawSwitches ratio(state);
  Caller caller;
  for (auto _ : state) {
    auto promise = std::make_unique<std::promise<int>>();
    auto future = promise->get_future();
    caller.ask(
        [](int n, void* user) {
          const std::unique_ptr<std::promise<int>> own(static_cast<std::promise<int>*>(user));
          own->set_value(n);
        },
        promise.release());
    benchmark::DoNotOptimize(future.get());
  }
}

BENCHMARK(round_trip);
BENCHMARK(round_trip_by_hand);
BENCHMARK(round_trip_with_a_task);
BENCHMARK(round_trip_with_a_timeout);
BENCHMARK(at_once);
BENCHMARK(at_once_without_ticket);
BENCHMARK(stream_item);
BENCHMARK(foreign_thread)->UseRealTime();
BENCHMARK(foreign_thread_condition_variable)->UseRealTime();
BENCHMARK(foreign_thread_promise)->UseRealTime();

}  // namespace
