// SPDX-License-Identifier: MIT
// Between this loop and other threads. asyncio.to_thread, asyncio.run_coroutine_threadsafe, loop.run_in_executor.
#pragma once

#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <coir/await.hpp>
#include <coir/context.hpp>
#include <coir/detail/job.hpp>

namespace coir {

template <class Fn>
Future<std::invoke_result_t<std::decay_t<Fn>&>> EventLoop::run_in_executor(Executor& executor, Fn&& fn,
                                                                           SourceLocation where) {
  using R = std::invoke_result_t<std::decay_t<Fn>&>;
  static_assert(!std::is_reference_v<R>, "a result that travels between threads must be a value");
  auto job = detail::JobOf<R, std::decay_t<Fn>>::create(core_for("run_in_executor()"), std::forward<Fn>(fn), where);
  Future<R> future(job->future());
  detail::submit_job(executor, *job);
  return future;
}
template <class Fn>
Future<std::invoke_result_t<std::decay_t<Fn>&>> EventLoop::run_in_executor(Fn&& fn, SourceLocation where) {
  return run_in_executor(detail::default_executor(core_for("run_in_executor()")), std::forward<Fn>(fn), where);
}

/// Runs fn() on a thread of the default executor and returns its result.
///
/// Suspends  Always.
/// Errors    what fn throws; UsageError outside a task
/// Cancel    CancelledError at once. fn() is skipped if it has not begun; else it runs to its end, unobserved: what it
///           refers to must outlive it, so capture by value.
/// Context   A copy of the caller's is current in fn().
/// Source    CPython threads.py to_thread
template <class Fn>
std::invoke_result_t<std::decay_t<Fn>&> to_thread(Fn&& fn, SourceLocation where = SourceLocation::current()) {
  detail::require_task("to_thread()");
  // An executor does not know of contexts: the function brings its own along.
  return await(get_running_loop().run_in_executor(
      [context = copy_context(), fn = std::decay_t<Fn>(std::forward<Fn>(fn))]() mutable -> decltype(auto) {
        return context.run(fn);
      },
      where));
}

/// Runs fn() as a task of `loop`, from any thread, and hands its result to a std::future for that thread to wait on.
///
/// Errors    UsageError if the loop is closed. If it closes before the task is done, the std::future gets
///           std::future_error (broken_promise); a cancelled task arrives as CancelledError.
/// Threads   any but the loop's own: waiting there for the std::future would wait for oneself
/// Source    CPython tasks.py run_coroutine_threadsafe; a std::future cannot cancel the task
template <class Fn>
std::future<std::invoke_result_t<std::decay_t<Fn>&>> run_coroutine_threadsafe(
    Fn&& fn, EventLoop& loop, SourceLocation where = SourceLocation::current()) {
  using R = std::invoke_result_t<std::decay_t<Fn>&>;
  std::promise<R> promise;
  auto future = promise.get_future();
  loop.call_soon_threadsafe(
      [&loop, where, fn = std::decay_t<Fn>(std::forward<Fn>(fn)), promise = std::move(promise)]() mutable {
        const Task<R> task = loop.create_task(std::move(fn), where);
        // A callback and not a part of the body, so that a task cancelled before its first step arrives, too.
        task.add_done_callback(
            [promise = std::move(promise)](Future<R> done) mutable {
              detail::FutureState& state = done.state();
              if (state.cancelled() || state.failed()) {
                promise.set_exception(state.reason());
              } else if constexpr (std::is_void_v<R>) {
                promise.set_value();
              } else {
                promise.set_value(detail::take_value<R>(state, true));
              }
            },
            "run_coroutine_threadsafe", where);
      },
      "run_coroutine_threadsafe", where);
  return future;
}

}  // namespace coir
