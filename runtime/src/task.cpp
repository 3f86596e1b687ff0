// SPDX-License-Identifier: MIT
#include <coir/task.hpp>

#include <atomic>
#include <utility>

#include <coir/await.hpp>

#include "loop_core.hpp"
#include "no_await.hpp"
#include "unwind_audit.hpp"

namespace coir {
namespace detail {

COIR_TLS TaskState* current_task = nullptr;

COIR_TLS TaskIds task_ids{0, 0};

void TaskIds::draw_block() noexcept {
  constexpr std::uint64_t block = 64;
  static std::atomic<std::uint64_t> undrawn{1};
  next = undrawn.fetch_add(block, std::memory_order_relaxed);
  end = next + block;
}

namespace {

/// Whether the running code is between a throw and its handler: destructors of frames that are being unwound.
bool unwinding(const LoopCore& core) noexcept { return core.pool.exception_state->uncaught != 0; }

}  // namespace

void TaskState::invoke() { COIR_CHECK(false, "a task step is dispatched, not invoked"); }

std::string TaskState::name() const { return name_ ? *name_ : "Task-" + std::to_string(id_); }

bool TaskState::cancel(std::string message) {
  mark_retrieved();
  if (done()) return false;
  if (passing_cancel_) {
    // The request has come round: this task waits for something that waits for it.
    loop().must_give_way = true;
    give_way(message);
    return true;
  }
  ++cancel_requests_;
  // A task that is suspended in a destructor during unwinding must not be thrown at; its next await will be.
  const bool may_throw = fiber_ == nullptr || fiber_->exceptions.uncaught == 0;
  if (waiting_on_ != nullptr && may_throw) {
    // Kept: cancelling may complete it, and whoever waits on it may be the last to hold it.
    const Ref<FutureState> awaited(waiting_on_);
    passing_cancel_ = true;
    const bool taken = awaited->cancel(message);
    passing_cancel_ = false;
    if (loop().must_give_way) [[unlikely]] give_way(message);
    if (taken) return passed_on_ = true;
  }
  must_cancel_ = true;
  set_cancel_message(message);  // which a gather asks for even if the task swallows the cancellation
  must_message_ = message.empty() ? nullptr : std::make_unique<std::string>(std::move(message));
  return true;
}

/// In a circle of tasks that wait for each other one has to be thrown at without what it waits for being done. Not one that
/// has called the next (F3): then the one before it, on whose behalf cancel() was called.
void TaskState::give_way(const std::string& message) {
  if (fiber_->calling != nullptr) return;
  loop().must_give_way = false;
  if (must_cancel_ || !waiting_on_->remove_callback(*this)) return;
  must_cancel_ = true;
  must_message_ = message.empty() ? nullptr : std::make_unique<std::string>(message);
  loop().schedule(*this);
}

void TaskState::cancel_again(const std::string& message) {
  must_cancel_ = true;
  must_message_ = message.empty() ? nullptr : std::make_unique<std::string>(message);
}

int TaskState::uncancel() noexcept {
  if (cancel_requests_ > 0 && --cancel_requests_ == 0) must_cancel_ = false;
  return cancel_requests_;
}

namespace {

/// Gives up a reference just before a throw, as if by it: the value's destructor may await, and must not be thrown at.
void release_unwinding(FutureState& awaited) noexcept {
  unsigned& uncaught = running_loop->pool.exception_state->uncaught;
  ++uncaught;
  awaited.release();
  --uncaught;
}

[[noreturn]] void throw_cancelled(const TaskState& task, std::unique_ptr<std::string> message) {
  if (task.loop().debug) audit_cancellation(task);
  throw CancelledError(message ? std::move(*message) : std::string());
}

}  // namespace

/// With a cancel() outstanding: not at a task that is being unwound (P6).
inline bool TaskState::may_throw_now() const noexcept { return !unwinding(*running_loop); }

/// After an await, with a cancel() outstanding: whether it is to throw. A CancelledError that the awaited future brings is
/// the delivery; its message, of the first request, stands. Any other outcome gives way to a request that the future did
/// not take. `release`: gives up one reference of the future if this throws itself.
bool TaskState::cancel_is_due(FutureState& awaited, bool release) {
  passed_on_ = false;
  const bool requested = std::exchange(must_cancel_, false);
  if (awaited.failed()) {  // a gather is never cancelled: it fails with a CancelledError
    try {
      std::rethrow_exception(awaited.reason());
    } catch (const CancelledError&) {
      if (running_loop->debug) audit_cancellation(*this);
      if (release) release_unwinding(awaited);
      throw;
    } catch (...) {
    }
  }
  return awaited.cancelled() || requested;
}

/// What is thrown then.
CancelledError TaskState::take_cancelled_error(FutureState& awaited) {
  std::string message;
  if (awaited.cancelled()) {
    message = awaited.cancel_message();
  } else if (must_message_) {
    message = std::move(*must_message_);
    must_message_.reset();
  }
  if (running_loop->debug) audit_cancellation(*this);
  return CancelledError(std::move(message));
}

void start_task(TaskState& task) {
  LoopCore& core = task.loop();
  if (core.eager_tasks) [[unlikely]] return start_task_eagerly(task);
  if (task.context.empty()) copy_current_context(task.context);
  core.add_task(task);
  core.schedule(task);
  if (core.tracer != nullptr) core.trace(TraceEvent::Kind::task_created, &task);
}

void start_task_eagerly(TaskState& task) {
  LoopCore& core = task.loop();
  if (core.running && running_loop != &core) {
    throw UsageError(UsageError::Reason::wrong_thread,
                     "create_task() with eager_start: " + describe(static_cast<FutureState&>(task)) +
                         " cannot start here, because its loop runs on another thread. Use run_coroutine_threadsafe().");
  }
  if (task.context.empty()) copy_current_context(task.context);
  core.add_task(task);
  if (core.tracer != nullptr) core.trace(TraceEvent::Kind::task_created, &task);
  core.running ? core.start_eagerly(task) : core.schedule(task);
}

template <bool may_be_task>
[[gnu::always_inline]] inline void TaskState::suspend_on(FutureState& awaited) {
  LoopCore& core = *running_loop;  // this->loop(), without a look into the cold half of the task
  if (core.tracer != nullptr) [[unlikely]] {
    core.trace(TraceEvent::Kind::blocks_on, this, &awaited);
    core.trace(TraceEvent::Kind::wakeup_added, this, &awaited);
  }
  awaited.add_callback(*this);
  waiting_on_ = &awaited;
  if (must_cancel_ && may_throw_now()) [[unlikely]] {
    if (awaited.cancel(must_message_ ? *must_message_ : std::string())) {
      must_cancel_ = false;
      passed_on_ = true;
    }
  }
  if (may_be_task && awaited.is_task()) [[unlikely]] core.call_if_next(static_cast<TaskState&>(awaited));
  core.leave_task();
  waiting_on_ = nullptr;
  HandleNode::future = nullptr;
  if (core.tracer != nullptr) [[unlikely]] core.trace(TraceEvent::Kind::unblocks, this, &awaited);
}

COIR_RETURN_BY_JUMP void suspend_until_done(FutureState& awaited, TaskState& task) {
  if (&awaited == &task) [[unlikely]] throw_cannot_await(awaited);
  task.suspend_on<false>(awaited);
  if ((task.must_cancel_ || task.passed_on_) && task.may_throw_now()) [[unlikely]] {
    if (task.cancel_is_due(awaited, false)) throw task.take_cancelled_error(awaited);
  }
}

COIR_RETURN_BY_JUMP bool suspend_until_done_or_cancelled(FutureState& awaited, TaskState& task) {
  if (&awaited == &task) [[unlikely]] throw_cannot_await_and_release(awaited);
  task.suspend_on<true>(awaited);
  return (task.must_cancel_ || task.passed_on_) && task.may_throw_now() && task.cancel_is_due(awaited, true);
}

CancelledError cancelled_error(FutureState& awaited, TaskState& task) {
  struct Release {  // at the end, for want of memory, too
    FutureState& awaited;
    ~Release() { release_unwinding(awaited); }
  };
  const Release release{awaited};
  return task.take_cancelled_error(awaited);
}

COIR_RETURN_BY_JUMP void yield_once(TaskState& task) {
  LoopCore& core = *running_loop;  // task.loop(), without a look into the task's cold half
  if (core.tracer != nullptr) [[unlikely]] core.trace(TraceEvent::Kind::yields, &task);
  core.requeue(task);
  core.leave_task();
  if (task.must_cancel_ && !unwinding(core)) [[unlikely]] {
    task.must_cancel_ = false;
    throw_cancelled(task, std::move(task.must_message_));
  }
}

void throw_cannot_await_and_release(FutureState& awaited) {
  const auto own = Ref<FutureState>::adopt(&awaited);
  throw_cannot_await(awaited);
}

void throw_cannot_await(const FutureState& awaited) {
  const std::string what = "await of " + describe(awaited);
  TaskState& task = require_task(what.c_str());
  if (&awaited == &task) {
    throw UsageError(UsageError::Reason::await_on_itself,
                     what + ": Task cannot await on itself. Nobody else could ever finish it.");
  }
  throw UsageError(UsageError::Reason::wrong_loop,
                   what + " in " + describe(static_cast<FutureState&>(task)) +
                       ": the future is attached to a different loop. Run the work there, with "
                       "run_coroutine_threadsafe(), and wait for it with to_thread() or a callback.");
}

TaskState* running_task() noexcept { return current_task != nullptr ? current_task : NoAwaitAccess::task(); }

TaskState& require_task(const char* call) {
  if (current_task != nullptr) return *current_task;
  if (running_loop == nullptr) {
    throw UsageError(UsageError::Reason::no_running_loop,
                     std::string(call) +
                         ": no event loop runs on this thread. Start one with coir::run(fn) and do this inside fn, or "
                         "hand the work to a loop of another thread with run_coroutine_threadsafe(fn, loop).");
  }
  if (const TaskState* task = NoAwaitAccess::task()) {
    throw UsageError(UsageError::Reason::no_await,
                     std::string(call) + " in " + describe(static_cast<const FutureState&>(*task)) +
                         " while it must not wait: " + NoAwaitAccess::reason() + " (NoAwait at " +
                         to_string(NoAwaitAccess::where()) + "). Do the waiting before or behind that scope.");
  }
  throw UsageError(UsageError::Reason::outside_task,
                   std::string(call) + " inside " + running_loop->describe_running_callback() +
                       ": it runs on the loop's own stack, which cannot be suspended. Start a task for it, "
                       "create_task([...] { ... }), or use add_done_callback().");
}

LoopCore& require_running_loop(const char* call) {
  if (running_loop == nullptr) throw_no_running_loop(call);
  return *running_loop;
}

void throw_no_running_loop(const char* call) {
  throw UsageError(UsageError::Reason::no_running_loop,
                   std::string(call) + ": no running event loop on this thread. Start one with coir::run(fn), or call "
                                       "the method of an EventLoop that you hold.");
}

}  // namespace detail

AnyTask current_task() { return AnyTask(detail::Ref<detail::FutureState>(detail::running_task())); }

std::vector<AnyTask> all_tasks() { return all_tasks(*detail::require_running_loop("all_tasks()").owner); }

std::vector<AnyTask> all_tasks(const EventLoop& loop) { return loop.core().tasks(); }

}  // namespace coir
