// SPDX-License-Identifier: MIT
// A loop's tasks from their first step to their end: stacks given and taken, outcomes kept, the list of the unfinished.
#include <utility>

#include <coir/errors.hpp>

#include "loop_core.hpp"

namespace coir::detail {

/// Gives the task a fiber. False: it ended before its first step, cancelled or for want of a stack.
bool LoopCore::begin_on_host(TaskState& task) noexcept {
  if (task.must_cancel_) {
    task.drop_body();
    remove_task(task);
    task.must_cancel_ = false;
    task.take_cancelled(task.must_message_ ? std::move(*task.must_message_) : std::string());
    if (tracer != nullptr) trace(TraceEvent::Kind::task_done, &task);
    task.FutureState::release();
    return false;
  }
  try {
    task.fiber_ = &fibers::acquire_fiber(pool, run_tasks, &task);
    return true;
  } catch (...) {
    task.drop_body();
    remove_task(task);
    task.finish(std::current_exception());
    task.FutureState::release();
    return false;
  }
}

void LoopCore::start_eagerly(TaskState& task) {
  touch();  // for whatever it will wait for
  if (!begin_on_host(task)) return;  // for want of a stack
  if (tracer != nullptr) trace(TraceEvent::Kind::step_runs, &task);
  TaskState* const creating = current_task;
  fibers::Fiber* const outer = std::exchange(home, pool.running);
  const bool nested = std::exchange(starting_eagerly, true);
  const bool was_leaving = leaving != nullptr;
  update_host_only();
  if (!switch_hooks.empty()) [[unlikely]] {
    if (creating != nullptr) leave_hooks(*creating);
    enter_hooks(task);
  }
  current_task = &task;
  switch_fiber(pool, *task.fiber_);
  if (!switch_hooks.empty() && creating != nullptr) [[unlikely]] enter_hooks(*creating);
  current_task = creating;
  home = outer;
  starting_eagerly = nested;
  if (leaving != nullptr && !was_leaving) {
    const std::exception_ptr exception = std::exchange(leaving, nullptr);
    update_host_only();
    std::rethrow_exception(exception);
  }
  update_host_only();
}

bool LoopCore::give_fiber(TaskState& task) noexcept {
  try {
    task.fiber_ = &fibers::acquire_fiber(pool, run_tasks, &task);
    return true;
  } catch (...) {
    return false;
  }
}

void LoopCore::end_body(TaskState& task) noexcept {
  if (!switch_hooks.empty()) [[unlikely]] end_hooks(task);
  task.must_cancel_ = false;
  task.fiber_ = nullptr;
  remove_task(task);
}

/// As if the exception that has just been caught still unwound the stack: to destructors that await, and so that nothing
/// is thrown at them.
void LoopCore::drop_thrown_body(TaskState& task) noexcept {
  ++pool.exception_state->uncaught;
  task.drop_body();
  --pool.exception_state->uncaught;
}

void TaskState::end_by_throw(const BaseException* error) noexcept {
  LoopCore& core = loop();
  core.drop_thrown_body(*this);
  if (const auto* cancelled = dynamic_cast<const CancelledError*>(error)) {
    core.end_body(*this);
    take_cancelled(cancelled->message());
    return;
  }
  const bool leaves_loop =
      dynamic_cast<const KeyboardInterrupt*>(error) != nullptr || dynamic_cast<const SystemExit*>(error) != nullptr;
  const std::exception_ptr exception = std::current_exception();
  if (leaves_loop) {
    core.leaving = exception;
    core.update_host_only();
  }
  core.end_body(*this);
  finish(exception);
}

[[gnu::always_inline]] inline void LoopCore::execute(TaskState& task) noexcept {
  if (!task.run_body()) [[likely]] {
    const bool cancelled = task.must_cancel_;  // in its last stretch: the result is lost, as in asyncio
    end_body(task);
    if (cancelled) [[unlikely]] {
      task.take_cancelled(task.must_message_ ? std::move(*task.must_message_) : std::string());
    } else {
      task.finish();
    }
  }
  if (tracer != nullptr) [[unlikely]] trace(TraceEvent::Kind::task_done, &task);
  current_task = nullptr;
  task.FutureState::release();  // T3
}

COIR_RETURN_BY_JUMP fibers::Fiber& LoopCore::run_tasks(void* first_task) noexcept {
  auto* task = static_cast<TaskState*>(first_task);
  LoopCore& core = task->loop();
  fibers::Fiber& self = *core.pool.running;
  for (;;) {
    core.execute(*task);
    task = core.next_step();
    if (task == nullptr) return core.go_to_host();
    core.take_step(*task);
    if (task->fiber_ != nullptr) return *task->fiber_;
    // Not begun: it takes over this stack, which is the warmest there is, without any switch.
    task->fiber_ = &self;
    self.argument = task;
  }
}

/// On the fiber of the task that waits for `awaited`. If that has not begun and is next, its waiter calls it, on the stack
/// that it is given: the waiter cannot go on before its end in any case, and the two jumps are saved.
void LoopCore::call_if_next(TaskState& awaited) noexcept {
#if COIR_CALL_ON_STACK
  if (awaited.fiber_ != nullptr || next_step() != &awaited) return;
  if (!give_fiber(awaited) || !may_call_on_fiber(pool, *awaited.fiber_)) return;
  take_step(awaited);
  const auto run = [](void* task) {
    auto& called = *static_cast<TaskState*>(task);
    called.loop().execute(called);
  };
  call_on_fiber(pool, *awaited.fiber_, run, &awaited);
#else
  static_cast<void>(awaited);
#endif
}

void LoopCore::remove_task(TaskState& task) noexcept {
  (task.older_ != nullptr ? task.older_->newer_ : oldest_task) = task.newer_;
  (task.newer_ != nullptr ? task.newer_->older_ : newest_task) = task.older_;
  task.older_ = task.newer_ = nullptr;
  --task_count;
}

}  // namespace coir::detail
