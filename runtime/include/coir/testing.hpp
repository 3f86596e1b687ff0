// SPDX-License-Identifier: MIT
// Time that stands still, and loops that say when they are stuck: for coir's tests and its users'.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

/// Runs the loop, which must have a virtual clock, until it would block for ever: true. False: stop() came first.
COIR_EXPORT bool run_until_stalled(EventLoop& loop);

namespace detail {
COIR_EXPORT void run_main_virtual(EventLoop& loop, const AnyFuture& main);
/// Errors    UsageError (loop_is_running)
COIR_EXPORT void require_no_running_loop(const char* call);
}  // namespace detail

struct VirtualOptions {
  /// See LoopOptions::seed. The run of a seed is the same each time, so a test that fails names it and has its
  /// reproduction.
  std::optional<std::uint64_t> seed = {};
};

/// run() on a VirtualClock: an hour of sleeps takes no time.
///
///     for (std::uint64_t seed = 0; seed < 1000; ++seed) run_virtual(test, {.seed = seed});
///
/// Errors    as run(); DeadlockError if main cannot finish; UsageError (loop_is_running) inside a task or callback
template <class F>
std::invoke_result_t<std::decay_t<F>&> run_virtual(F&& main, VirtualOptions options = {},
                                                   SourceLocation where = SourceLocation::current()) {
  using R = std::invoke_result_t<std::decay_t<F>&>;
  VirtualClock clock;
  Runner runner({.loop = {.clock = &clock, .seed = options.seed}, .handle_sigint = false});
  detail::require_no_running_loop("run_virtual()");
  auto task = runner.get_loop().create_task(std::forward<F>(main), TaskOptions{.name = "main"}, where);
  detail::run_main_virtual(runner.get_loop(), task);
  if constexpr (std::is_void_v<R>) {
    task.result();
    runner.close();
  } else {
    decltype(auto) result = detail::take_value<R>(task.state(), task.state().references() == 1);
    runner.close();
    return result;
  }
}

}  // namespace coir
