// SPDX-License-Identifier: MIT
// Time that stands still, and loops that say when they are stuck: for coir's tests and its users'.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <coir/clock.hpp>
#include <coir/run.hpp>

namespace coir {

/// Stands still while anything is ready, and jumps to the next deadline when the loop has nothing else to do. It does
/// not jump while an executor's thread works for the loop. Starts at zero.
class COIR_EXPORT VirtualClock final : public Clock {
 public:
  TimePoint now() override { return now_; }
  void advance(Duration by) { now_ += by; }
  bool jump_to(TimePoint deadline) override;
  bool is_virtual() const noexcept override { return true; }

 private:
  TimePoint now_{};
};

/// Every task waits, and nothing can wake any: no timer, no descriptor, no thread. what() names each task and what it
/// waits on.
class COIR_EXPORT DeadlockError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~DeadlockError() override;
};

/// Runs the loop, which must have a virtual clock, until it would block for ever: true. False: stop() came first.
COIR_EXPORT bool run_until_stalled(EventLoop& loop);

namespace detail {
COIR_EXPORT void run_main_virtual(EventLoop& loop, const AnyFuture& main);
}  // namespace detail

/// run() on a VirtualClock: an hour of sleeps takes no time.
/// Errors    as run(); DeadlockError if main cannot finish
template <class F>
std::invoke_result_t<std::decay_t<F>&> run_virtual(F&& main, SourceLocation where = SourceLocation::current()) {
  VirtualClock clock;
  RunOptions options{.loop = {.clock = &clock}, .handle_sigint = false};
  Runner runner(std::move(options));
  auto task = runner.get_loop().create_task(std::forward<F>(main), TaskOptions{.name = "main"}, where);
  detail::run_main_virtual(runner.get_loop(), task);
  if constexpr (std::is_void_v<std::invoke_result_t<std::decay_t<F>&>>) {
    task.result();
    runner.close();
  } else {
    decltype(auto) result = detail::take_value<std::invoke_result_t<std::decay_t<F>&>>(
        task.state(), task.state().references() == 1);
    runner.close();
    return result;
  }
}

}  // namespace coir
