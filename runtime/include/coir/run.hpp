// SPDX-License-Identifier: MIT
// From main() into a loop and out again. asyncio.run, asyncio.Runner.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <coir/await.hpp>
#include <coir/event_loop.hpp>

namespace coir {

struct RunOptions {
  LoopOptions loop = {};
  /// Turn the first SIGINT into a cancellation of the main task and the second into KeyboardInterrupt. Only if the
  /// signal has its default action and this is the process's first thread; a third one ends the process.
  bool handle_sigint = true;
  /// How long closing waits for threads of the default executor.
  Duration executor_timeout = std::chrono::minutes(5);
};

/// A loop for several run() calls in a row.
///
/// Lifetime  close(), or the destructor, cancels the tasks that are left, runs them to their end, reports their errors
///           ("unhandled exception during run() shutdown"), waits for the default executor and closes the loop.
/// Source    CPython 3.13 runners.py Runner
class COIR_EXPORT Runner {
 public:
  explicit Runner(RunOptions options = {});
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Runs main() as a task of the loop and returns its result or throws its failure. Tasks it leaves behind go on at
  /// the next run(), and so do the values that it set to context variables.
  /// Errors    UsageError (loop_is_running) where a loop runs already, (loop_is_closed) after close();
  ///           KeyboardInterrupt if the main task ended cancelled by SIGINT, or at once at the second one.
  template <class F>
  std::invoke_result_t<std::decay_t<F>&> run(F&& main, SourceLocation where = SourceLocation::current()) {
    require_runnable();
    auto task = get_loop().create_task(std::forward<F>(main), TaskOptions{.name = "main", .context = context()}, where);
    run_main(task);
    return detail::take_value<std::invoke_result_t<std::decay_t<F>&>>(task.state(), task.state().references() == 1);
  }
  EventLoop& get_loop();
  void close();

 private:
  struct Impl;
  void require_runnable();
  /// A copy of the context of the first run(), shared by all of them.
  const Context& context();
  void run_main(const AnyTask& main);
  std::unique_ptr<Impl> impl_;
};

/// Makes a loop, runs main() in it as a task, cancels and drains what it leaves behind, closes the loop, and returns
/// main's result or throws its failure. Inside a task it just calls main there: a library that uses run() works
/// unchanged in a program that has a loop.
///
/// Errors    UsageError (loop_is_running) in a callback of a running loop; otherwise as Runner::run
/// Source    CPython 3.13 runners.py run, which refuses to be called while a loop runs
template <class F>
std::invoke_result_t<std::decay_t<F>&> run(F&& main, RunOptions options = {},
                                           SourceLocation where = SourceLocation::current()) {
  if (detail::running_task() != nullptr) return std::forward<F>(main)();
  Runner runner(std::move(options));
  if constexpr (std::is_void_v<std::invoke_result_t<std::decay_t<F>&>>) {
    runner.run(std::forward<F>(main), where);
    runner.close();
  } else {
    decltype(auto) result = runner.run(std::forward<F>(main), where);
    runner.close();
    return result;
  }
}

}  // namespace coir
