// The workloads in which asio needs no coroutine: timers, and posts from another thread.
// SPDX-License-Identifier: MIT
#include "asio_callbacks.hpp"

#include <boost/asio.hpp>

#include <deque>

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using race::Figure;
using race::million;

using Executor = asio::io_context::executor_type;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

/// Of the timers, which no other thread touches.
asio::io_context& context = *new asio::io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);

class Timers {
 public:
  explicit Timers(std::size_t others) : others_(others) {
    while (timers_.size() < others_) insert();
  }
  /// An hour or two from now, in no order.
  std::chrono::nanoseconds delay() { return std::chrono::hours(1) + random_.below(std::chrono::hours(1)); }
  void insert() { insert(delay()); }
  void insert(std::chrono::nanoseconds in) {
    timers_.emplace_back(context, in).async_wait([this](error_code) { ++fired_; });
  }
  /// Back to what was there at first.
  void drop_later_ones() {
    while (timers_.size() > others_) timers_.pop_back();
    run_handlers();
  }
  /// Amid the others, by an object that was there before, as a connection's would be.
  void set_and_cancel() {
    timer_.expires_after(delay());
    timer_.async_wait([this](error_code) { ++fired_; });
    timer_.cancel();
  }
  static void run_handlers() {
    context.restart();
    context.poll();
  }
  [[nodiscard]] std::size_t fired() const noexcept { return fired_; }

 private:
  std::size_t others_, fired_ = 0;
  race::Random random_;
  std::deque<Timer> timers_;
  Timer timer_{context};
};

}  // namespace

Figure timer_insert() {
  auto& timers = *new Timers(million);
  constexpr std::size_t count = 10'000;
  return race::ns_each(
      count, [&] { timers.drop_later_ones(); },
      [&] {
        for (std::size_t i = 0; i < count; ++i) timers.insert();
      });
}

Figure timer_cancel(std::size_t others) {
  auto& timers = *new Timers(others);
  return race::ns_each(10'000, [&] {
    for (int i = 0; i < 100; ++i) {
      for (int j = 0; j < 100; ++j) timers.set_and_cancel();
      Timers::run_handlers();
    }
  });
}

Figure timer_pop() {
  race::Random random;
  Timers timers(0);
  for (std::size_t i = 0; i < million; ++i) timers.insert(random.below(std::chrono::seconds(1)));
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const auto began = std::chrono::steady_clock::now();
  context.run();
  race::check(timers.fired() == million, "timers");
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count() / million;
}

Figure post_burst() {
  constexpr std::size_t count = 20;
  asio::io_context loop(1);
  const auto working = asio::make_work_guard(loop);
  int left = 0;
  race::Bursts bursts([&](int) {
    asio::post(loop, [&] {
      if (--left == 0) loop.stop();
    });
  });
  return race::ns_each(count * race::Bursts::size, [&] {
    for (std::size_t burst = 0; burst < count; ++burst) {
      left = race::Bursts::size;
      bursts.ask();
      loop.restart();
      loop.run();
    }
  });
}
