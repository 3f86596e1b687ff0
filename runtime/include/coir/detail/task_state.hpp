// SPDX-License-Identifier: MIT
// A future with a body that runs on a fiber.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <coir/detail/future_state.hpp>
#include <coir/errors.hpp>

namespace coir::fibers {
class Fiber;
}

namespace coir::detail {

/// Numbers of tasks, unique in the process and rising from 1. A thread draws them in blocks: an atomic increment for each
/// task would cost as much as a switch.
struct TaskIds {
  std::uint64_t next;
  std::uint64_t end;

  std::uint64_t take() noexcept {
    if (next == end) [[unlikely]] draw_block();
    return next++;
  }
  COIR_EXPORT void draw_block() noexcept;
};
extern COIR_EXPORT COIR_TLS TaskIds task_ids;

/// The untyped half of a task. Its base HandleNode is the step: linked into the ready queue when the task should run,
/// and straight into the callback list of the future that it waits on. So awaiting and waking allocate nothing.
///
/// T1  An unfinished task either waits on a future (waiting_on set, node in that future's list) and no step is
///     scheduled, or a step is scheduled or running and it waits on none. The only transitions: the future completes
///     (its list, node included, moves to the ready queue), and the step suspends on a future.
/// T2  fiber is set from the first step to the end of the body. A task cancelled before its first step never has one.
/// T3  The loop holds one reference while the task is unfinished.
/// T4  must_cancel asks the next await that is not reached while unwinding to throw CancelledError, once.
/// T5  passed_on is set only while it waits on a future that has taken over a cancel(): that await throws, unless the
///     future got a value or another failure all the same.
///
/// Source    CPython Lib/asyncio/tasks.py, class Task; the loop's strong reference is ours.
class COIR_EXPORT TaskState : public FutureState, public HandleNode {
 public:
  TaskState(LoopCore& loop, SourceLocation where)
      : FutureState(loop, where), HandleNode(Role::task_step, where), id_(task_ids.take()) {
    is_task_ = true;
    set_kind("Task");
  }

  bool cancel(std::string message) override;
  int cancelling() const noexcept { return cancel_requests_; }
  int uncancel() noexcept;
  /// A CancelledError that was delivered could not go on: the next await throws it.
  void cancel_again(const std::string& message);
  std::string name() const;
  void set_name(std::string name) { name_ = std::make_unique<std::string>(std::move(name)); }
  /// Null: "Task-<id>".
  const char* name_for_signal_handler() const noexcept { return name_ ? name_->c_str() : nullptr; }
  FutureState* waiting_on() const noexcept { return waiting_on_; }
  /// The next one in the loop's list of unfinished tasks.
  const TaskState* newer() const noexcept { return newer_; }
  std::uint64_t id() const noexcept { return id_; }
  SourceLocation created_at() const noexcept { return FutureState::where(); }
  void each_awaited(const AwaitedVisitor& visit) const override {
    if (waiting_on_ != nullptr && !waiting_on_->done()) visit(*waiting_on_);
  }
  fibers::Fiber* fiber() const noexcept { return fiber_; }

  using FutureState::release;
  using FutureState::retain;

  /// Runs on the task's fiber: calls the body, keeps its value, destroys the body. True: what it threw has become the end
  /// of the task. That is caught here, in the innermost frame that can, because each frame that an exception has to
  /// look at costs it 0.2 us (bench/race cancel_1).
  virtual bool run_body() noexcept = 0;
  /// Destroys the body of a task that never began, or that threw; on the task's fiber, for destructors may await.
  virtual void drop_body() noexcept = 0;

  // A step is dispatched by its kind, not invoked, and the loop's list owns it (N2): none of these is ever called.
  void invoke() final;
  void drop() noexcept final {}
  void destroy() noexcept final {}

 protected:
  ~TaskState() override = default;
  /// Inside of the handler for what has left the body: `error` if it is one of coir's own.
  void end_by_throw(const BaseException* error) noexcept;

 private:
  friend class LoopCore;
  friend COIR_EXPORT void suspend_until_done(FutureState& awaited, TaskState& task);
  friend COIR_EXPORT bool suspend_until_done_or_cancelled(FutureState& awaited, TaskState& task);
  friend COIR_EXPORT CancelledError cancelled_error(FutureState& awaited, TaskState& task);
  friend COIR_EXPORT void yield_once(TaskState& task);
  friend struct DebugLayout;
  template <bool may_be_task>
  void suspend_on(FutureState& awaited);
  void give_way(const std::string& message);
  bool may_throw_now() const noexcept;
  bool cancel_is_due(FutureState& awaited, bool release);
  CancelledError take_cancelled_error(FutureState& awaited);

  fibers::Fiber* fiber_ = nullptr;             // T2
  FutureState* waiting_on_ = nullptr;          // T1; the awaiting frame holds a reference
  int cancel_requests_ = 0;
  bool must_cancel_ = false;     // T4
  bool passed_on_ = false;       // T5
  bool passing_cancel_ = false;  // while cancel() of what this waits on runs
  TaskState* newer_ = nullptr;                 // links of the loop's list of unfinished tasks
  TaskState* older_ = nullptr;
  std::unique_ptr<std::string> name_;          // null: "Task-<id>"
  std::unique_ptr<std::string> must_message_;  // of the cancel that set must_cancel_; null: empty
  std::uint64_t id_;
};

/// The task whose step runs on this thread and may await; null in a callback and outside of a loop.
extern COIR_EXPORT COIR_TLS TaskState* current_task;

/// The same inside a NoAwait scope, too, where current_task is null so that every await fails.
COIR_EXPORT TaskState* running_task() noexcept;

/// Suspends the running task until `awaited` is done. Throws CancelledError if the task was cancelled meanwhile.
COIR_EXPORT void suspend_until_done(FutureState& awaited, TaskState& task);
/// The same for what may be a task: one that has not begun and is next is called. True: the caller has to throw
/// cancelled_error(), in its own frame, for each frame between a throw and its handler costs 0.2 us (bench/race cancel_1).
/// Errors    as `suspend_until_done`, but for that one; gives up one reference of `awaited` if it throws
[[nodiscard]] COIR_EXPORT bool suspend_until_done_or_cancelled(FutureState& awaited, TaskState& task);
/// What to throw then. Gives up one reference of `awaited`.
COIR_EXPORT CancelledError cancelled_error(FutureState& awaited, TaskState& task);
/// Lets everything that is ready run once. Throws CancelledError as above.
COIR_EXPORT void yield_once(TaskState& task);
/// Puts the first step of a new task on the ready queue. Takes the loop's reference (T3).
COIR_EXPORT void start_task(TaskState& task);
/// Runs the first step at once, on a fiber of its own, up to where the task first suspends or ends. If the loop is not
/// running: as start_task().
/// Errors    UsageError (wrong_thread) if the loop runs on another thread; KeyboardInterrupt and SystemExit of the step
COIR_EXPORT void start_task_eagerly(TaskState& task);
/// Explains why `awaited` cannot be awaited here.
[[noreturn]] COIR_EXPORT void throw_cannot_await(const FutureState& awaited);
[[noreturn]] COIR_EXPORT void throw_cannot_await_and_release(FutureState& awaited);
/// The running task, or a UsageError that names `call`.
COIR_EXPORT TaskState& require_task(const char* call);
/// The loop of this thread, or a UsageError that names `call`.
COIR_EXPORT LoopCore& require_running_loop(const char* call);

/// What every await begins with. One call on the slow path, none on the fast one.
inline void wait_until_done(FutureState& awaited) {
  TaskState* task = current_task;
  if (task == nullptr || &task->loop() != &awaited.loop()) [[unlikely]] throw_cannot_await(awaited);
  if (!awaited.done()) suspend_until_done(awaited, *task);
}

/// The same for a future of which the caller passes one reference, which comes back unless this throws. So the caller's
/// frame has nothing to clean up: one that had would cost every CancelledError 0.3 us (bench/race cancel_1).
[[gnu::always_inline]] inline void wait_until_done_or_release(FutureState& awaited) {
  TaskState* task = current_task;
  if (task == nullptr || &task->loop() != &awaited.loop()) [[unlikely]] throw_cannot_await_and_release(awaited);
  if (!awaited.done() && suspend_until_done_or_cancelled(awaited, *task)) [[unlikely]] {
    throw cancelled_error(awaited, *task);
  }
}

/// A task with its body inline.
template <class R, class Fn>
class TaskOf final : public ValueState<TaskState, R> {
 public:
  template <class F>
  TaskOf(LoopCore& loop, F&& body, SourceLocation where)
      : ValueState<TaskState, R>(loop, where), body_(std::in_place, std::forward<F>(body)) {}

  bool run_body() noexcept override {
    try {
      if constexpr (std::is_void_v<R>) {
        std::invoke(*body_);
        this->stored_.emplace();
      } else if constexpr (std::is_reference_v<R>) {
        this->stored_.emplace(&std::invoke(*body_));
      } else {
        this->stored_.emplace(std::invoke(*body_));
      }
    } catch (const BaseException& error) {
      this->end_by_throw(&error);
      return true;
    } catch (...) {
      this->end_by_throw(nullptr);
      return true;
    }
    body_.reset();
    return false;
  }
  void drop_body() noexcept override { body_.reset(); }

 private:
  std::optional<Fn> body_;
};

}  // namespace coir::detail
