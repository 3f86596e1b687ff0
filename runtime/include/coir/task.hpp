// SPDX-License-Identifier: MIT
// A plain function that runs beside others and may wait. asyncio.Task.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <coir/context.hpp>
#include <coir/detail/task_state.hpp>
#include <coir/event_loop.hpp>
#include <coir/future.hpp>
#include <coir/stack_frame.hpp>

namespace coir {

struct TaskOptions {
  /// Empty: "Task-N", N counting up in the process.
  std::string name = {};
  /// The context that the task runs in, shared with whoever else has it. None: a copy of the current one.
  std::optional<Context> context = {};
  /// Runs the first step inside create_task(), up to where it first suspends. What ends there never enters the ready
  /// queue: cheaper, but the body runs before create_task() returns, and a body that never suspends is no point of
  /// fairness. Source: CPython 3.13 tasks.py Task.__eager_start
  bool eager_start = false;
};

namespace detail {

COIR_EXPORT std::vector<StackFrame> get_stack(TaskState& task, std::optional<int> limit);
/// Null: standard error.
COIR_EXPORT void print_stack(TaskState& task, std::optional<int> limit, std::ostream* out);

/// What Task<T> adds to Future<T>, and AnyTask to AnyFuture.
template <class Derived>
class TaskCalls {
 public:
  /// How many cancel() calls took and were not taken back. Never reset by the end of the task.
  int cancelling() const { return task().cancelling(); }
  /// Takes one cancel() back; never below zero. At zero an undelivered one is withdrawn. Returns cancelling().
  /// Source    CPython 3.13 tasks.py Task.uncancel
  int uncancel() const { return task().uncancel(); }
  std::string get_name() const { return task().name(); }
  void set_name(std::string name) const { task().set_name(std::move(name)); }
  /// The context that the task runs in, itself: what is set through it shows in the task.
  Context get_context() const { return Context(Ref<ContextObject>(&task().context.object())); }
  /// What the task waits on, or has been woken by and not seen yet; empty if it yields, runs, or is done.
  AnyFuture waiting_on() const { return AnyFuture(Ref<FutureState>(task().waiting_on())); }
  /// The calls that the task is in, outermost first, all of them on its own stack: plain functions too, not those of coir
  /// at both ends, nor how it calls back. Before its first step: its callable, at its creation. Done: none. When less than 16 KiB of its stack
  /// are free, one frame that says so. At most 1,000 calls are looked at, the innermost ones.
  ///
  /// Shape     At most `limit` frames, the innermost; with a negative limit the outermost.
  /// Errors    UsageError (wrong_thread) if its loop runs on another thread
  /// Cost      Two switches and some microseconds for each frame; the first call reads symbols: milliseconds.
  /// Source    CPython tasks.py Task.get_stack, which sees one frame of a suspended task. docs/debugging.md: names
  std::vector<StackFrame> get_stack(std::optional<int> limit = {}) const { return detail::get_stack(task(), limit); }
  /// Writes that to standard error, or to `out`. Source: CPython tasks.py Task.print_stack
  void print_stack(std::optional<int> limit = {}) const { detail::print_stack(task(), limit, nullptr); }
  void print_stack(std::ostream& out, std::optional<int> limit = {}) const { detail::print_stack(task(), limit, &out); }

 private:
  TaskState& task() const {
    return static_cast<TaskState&>(static_cast<const Derived&>(*this).state());
  }
};

}  // namespace detail

/// A task of any type; empty when there is none.
class AnyTask : public AnyFuture, public detail::TaskCalls<AnyTask> {
 public:
  AnyTask() noexcept = default;
  explicit AnyTask(detail::Ref<detail::FutureState> state) noexcept : AnyFuture(std::move(state)) {}
};

/// A Future<T> with a body: a callable that runs on a fiber of its own, in turns with the other tasks of the loop.
///
/// Its result is what the body returns, its failure what the body throws; a CancelledError that leaves the body makes
/// it cancelled. set_result() and set_exception() throw UsageError. Dropping all handles neither stops nor frees an
/// unfinished task: the loop owns it.
///
/// cancel() makes one await of the task throw CancelledError: the one it is in, in the next turn (what it waits on is
/// cancelled too: a task awaited by two is shared, see shield()), or else the next await that would suspend. It throws
/// once for each request; the task may catch it, clean up with further awaits, and even go on. Before the first step
/// the body is never entered. While an exception unwinds the task's stack nothing is delivered: destructors may await.
template <class T>
class Task : public Future<T>, public detail::TaskCalls<Task<T>> {
 public:
  Task() noexcept = default;
  explicit Task(detail::Ref<detail::FutureState> state) noexcept : Future<T>(std::move(state)) {}
  operator AnyTask() const { return AnyTask(this->state_); }
};

template <class Fn>
Task<std::invoke_result_t<std::decay_t<Fn>&>> EventLoop::create_task(Fn&& fn, const TaskOptions& options,
                                                                     SourceLocation where) {
  using R = std::invoke_result_t<std::decay_t<Fn>&>;
  auto* task = new detail::TaskOf<R, std::decay_t<Fn>>(core_for("create_task()"), std::forward<Fn>(fn), where);
  auto state = detail::Ref<detail::FutureState>::adopt(task);
  if (!options.name.empty()) task->set_name(options.name);
  if (options.context) task->context.share(options.context->object());
  options.eager_start ? detail::start_task_eagerly(*task) : detail::start_task(*task);
  return Task<R>(std::move(state));
}
template <class Fn>
Task<std::invoke_result_t<std::decay_t<Fn>&>> EventLoop::create_task(Fn&& fn, SourceLocation where) {
  using R = std::invoke_result_t<std::decay_t<Fn>&>;
  auto* task = new detail::TaskOf<R, std::decay_t<Fn>>(core_for("create_task()"), std::forward<Fn>(fn), where);
  auto state = detail::Ref<detail::FutureState>::adopt(task);
  detail::start_task(*task);
  return Task<R>(std::move(state));
}

/// Starts fn() as a task of the running loop. Its first step runs in the next turn, after everything ready already.
///
/// Suspends  never
/// Errors    UsageError (no_running_loop)
/// Lifetime  fn, captures included, lives until the body ends and is destroyed in the task.
/// Cost      One allocation, with the body inline. A stack is borrowed at the first step and given back at the end; if
///           none can be had the task fails with StackAllocationError.
/// Source    CPython tasks.py create_task
template <class Fn>
[[nodiscard]] Task<std::invoke_result_t<std::decay_t<Fn>&>> create_task(
    Fn&& fn, const TaskOptions& options, SourceLocation where = SourceLocation::current()) {
  return get_running_loop().create_task(std::forward<Fn>(fn), options, where);
}
template <class Fn>
[[nodiscard]] Task<std::invoke_result_t<std::decay_t<Fn>&>> create_task(
    Fn&& fn, SourceLocation where = SourceLocation::current()) {
  return get_running_loop().create_task(std::forward<Fn>(fn), where);
}

/// The task that runs now; empty in a callback and where no loop runs.
COIR_EXPORT AnyTask current_task();
/// The unfinished tasks of the running loop, oldest first.
/// Errors    UsageError (no_running_loop)
COIR_EXPORT std::vector<AnyTask> all_tasks();
COIR_EXPORT std::vector<AnyTask> all_tasks(const EventLoop& loop);

}  // namespace coir
