// SPDX-License-Identifier: MIT
// Between this loop and other threads. asyncio.to_thread, asyncio.run_coroutine_threadsafe, loop.run_in_executor.
#pragma once

#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
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

namespace detail {

/// Cancels a task when its token asks for it, on whichever thread. Made and destroyed on the loop's.
class COIR_EXPORT CancelOnStop {
 public:
  CancelOnStop(EventLoop& loop, AnyTask task, std::stop_token stop);
  ~CancelOnStop();
  CancelOnStop(const CancelOnStop&) = delete;
  CancelOnStop& operator=(const CancelOnStop&) = delete;

 private:
  // Counts of tasks belong to the loop's thread: others touch this box's alone, and find it empty after this object.
  using Box = std::shared_ptr<AnyTask>;
  struct Request {
    EventLoop& loop;
    Box task;
    void operator()() const noexcept;
  };
  Box task_;
  std::stop_callback<Request> on_stop_;
};

}  // namespace detail

/// Runs fn() as a task of `loop`, from any thread, and hands its result to a std::future for that thread to wait on.
/// Asking `stop` to stop cancels the task, from any thread too; a thread that gives up waiting does not.
///
///     std::stop_source stop;
///     auto answer = run_coroutine_threadsafe(ask, loop, stop.get_token());
///     if (answer.wait_for(1s) == std::future_status::timeout) stop.request_stop();
///
/// Errors    UsageError if the loop is closed. If it closes before the task is done, the std::future gets
///           std::future_error (broken_promise); a cancelled task arrives as CancelledError.
/// Cancel    The std::future is ready when the task has ended, clean-up included.
/// Lifetime  The loop must outlive the task; what it refers to must outlive request_stop().
/// Threads   any but the loop's own: waiting there for the std::future would wait for oneself
/// Source    CPython tasks.py run_coroutine_threadsafe. There the future itself has cancel(), which std::future has not,
///           and is done at once (gh-105836)
template <class Fn>
std::future<std::invoke_result_t<std::decay_t<Fn>&>> run_coroutine_threadsafe(
    Fn&& fn, EventLoop& loop, std::stop_token stop = {}, SourceLocation where = SourceLocation::current()) {
  using R = std::invoke_result_t<std::decay_t<Fn>&>;
  std::promise<R> promise;
  auto future = promise.get_future();
  loop.call_soon_threadsafe(
      [&loop, where, fn = std::decay_t<Fn>(std::forward<Fn>(fn)), promise = std::move(promise),
       stop = std::move(stop)]() mutable {
        const Task<R> task = loop.create_task(std::move(fn), where);
        std::unique_ptr<detail::CancelOnStop> on_stop;
        if (stop.stop_requested()) {
          task.cancel();
        } else if (stop.stop_possible()) {
          on_stop = std::make_unique<detail::CancelOnStop>(loop, task, std::move(stop));
        }
        // A callback and not a part of the body, so that a task cancelled before its first step arrives, too.
        task.add_done_callback(
            [promise = std::move(promise), on_stop = std::move(on_stop)](Future<R> done) mutable {
              on_stop.reset();
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
