// SPDX-License-Identifier: MIT
#include "loop_core.hpp"

#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include <spdlog/logger.h>

#include "copies.hpp"
#include "deadlock.hpp"
#include "log.hpp"
#include "overflow_report.hpp"
#include "signals.hpp"

namespace coir::detail {

COIR_TLS LoopCore* running_loop = nullptr;

namespace {

bool debug_from_environment() noexcept {
  const char* value = std::getenv("COIR_DEBUG");
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

/// Only the thread that has called fork() goes on in the child.
void in_child_of_fork() {
  Bystander::forget_all();
  if (running_loop == nullptr) return;
  running_loop->abandon_after_fork();
  running_loop = nullptr;
  current_task = nullptr;
}

}  // namespace

LoopCore::LoopCore(EventLoop& of, const LoopOptions& options)
    : inbox(std::make_shared<Inbox>()),
      poller(inbox->wake_fd()),
      fibers({.bytes = options.stack_bytes, .guard = options.stack_guard}),
      pool(fibers.impl()),
      home(&pool.host),
      clock(options.clock != nullptr ? *options.clock : steady_clock()),
      clock_is_steady(&clock == &steady_clock()),
      shuffler(options.seed ? std::make_unique<std::mt19937_64>(*options.seed) : nullptr),
      big_stack_bytes(options.big_stack_bytes),
      eager_tasks(options.eager_tasks),
      detect_deadlocks(options.detect_deadlocks),
      debug(options.debug || debug_from_environment()) {
  owner = &of;
  waited_at = clock.now();
  update_host_only();
  static std::once_flag watches_forks;
  std::call_once(watches_forks, [] { ::pthread_atfork(nullptr, nullptr, in_child_of_fork); });
  const std::scoped_lock lock(loops_mutex_);
  next_loop_ = std::exchange(first_loop_, this);
}

void LoopCore::abandon_after_fork() noexcept {
  closed = forked = true;
  running = false;
  inbox->served_by(0, false);
  if (owner != nullptr) owner->checked_ = true;
  // What the task that has forked returns to in the end.
  stopping |= stop_asked;
  current = nullptr;
  next.take();
  host_only = true;
}

LoopCore::~LoopCore() {
  const std::scoped_lock lock(loops_mutex_);
  const void** link = &first_loop_;
  while (*link != this) link = const_cast<const void**>(&static_cast<const LoopCore*>(*link)->next_loop_);
  *link = next_loop_;
}

const void* LoopCore::first_loop_ = nullptr;
std::mutex LoopCore::loops_mutex_;

void LoopCore::throw_closed(const char* call) const {
  if (forked) {
    throw UsageError(UsageError::Reason::forked,
                     std::string(call) + ": this process is a fork of the one that runs the loop. Here only exec() and "
                                         "_exit() make sense; for a loop in both fork before the first one runs.");
  }
  throw UsageError(UsageError::Reason::loop_is_closed,
                   std::string(call) + ": Event loop is closed. Make a new EventLoop, or call this before close().");
}

void LoopCore::require_thread(const char* call) const {
  if (running && thread != std::this_thread::get_id()) {
    throw UsageError(UsageError::Reason::wrong_thread,
                     std::string(call) +
                         " was called from a thread that does not run this loop. Only call_soon_threadsafe() and "
                         "run_coroutine_threadsafe() may be: wrap the call in one of them.");
  }
}

[[gnu::always_inline]] inline void LoopCore::run_step(TaskState& task) {
  task.queued = false;
  if (task.fiber_ == nullptr && !begin_on_host(task)) return;
  if (tracer != nullptr) [[unlikely]] {
    if (FutureState* awaited = task.waiting_on_) {
      trace(TraceEvent::Kind::wakeup_runs, &task, awaited);
    } else {
      trace(TraceEvent::Kind::step_runs, &task);
    }
  }
  if (!switch_hooks.empty()) [[unlikely]] enter_hooks(task);
  current_task = &task;
  leave_host(pool, *task.fiber_);
  COIR_ASSERT(current_task == nullptr, "C2: back on the host while a task is current");
}

[[gnu::always_inline]] inline void LoopCore::run_current() {
  while (HandleNode* node = current) {
    current = node->next;
    ++handles_since_poll_;
    if (debug) [[unlikely]] {
      run_watched(*node);
    } else if (node->role == HandleNode::Role::task_step) {
      run_step(static_cast<TaskState&>(*node));
    } else {
      run_callback(*node);
    }
    if (leaving != nullptr) [[unlikely]] return;
  }
}

// Inlined into run_forever() with all that leads to the jump: each `ret` behind a jump is mispredicted.
[[gnu::always_inline]] inline void LoopCore::turn() {
  if (next.empty() && !stopping) wait_for_work();
  begin_turn();
  if (shuffler != nullptr) [[unlikely]] shuffle_steps();
  run_current();
}

/// Permutes the task steps of this turn among the places that they have; callbacks stay where they are.
void LoopCore::shuffle_steps() {
  std::vector<HandleNode*> nodes;
  std::vector<std::size_t> steps;  // indexes
  for (HandleNode* node = current; node != nullptr; node = node->next) {
    if (node->role == HandleNode::Role::task_step) steps.push_back(nodes.size());
    nodes.push_back(node);
  }
  // Not std::shuffle: what that makes of a seed differs between standard libraries.
  for (std::size_t left = steps.size(); left > 1; --left) {
    std::swap(nodes[steps[left - 1]], nodes[steps[(*shuffler)() % left]]);
  }
  NodeQueue shuffled;
  for (HandleNode* node : nodes) shuffled.push(*node);
  current = shuffled.take();
}

void LoopCore::require_runnable(const char* call) const {
  require_open(call);
  if (running) {
    throw UsageError(UsageError::Reason::loop_is_running,
                     std::string(call) + ": This event loop is already running" +
                         (attached() ? ", as the guest of a host. " : ". ") +
                         "Inside a task write await(future); in a callback start a task with create_task().");
  }
  if (running_loop != nullptr) {
    throw UsageError(UsageError::Reason::loop_is_running,
                     std::string(call) +
                         ": Cannot run the event loop while another loop is running on this thread. Use that loop, "
                         "get_running_loop(), or run this one on a thread of its own.");
  }
}

void LoopCore::start_running() {
  fibers::sanitizer::warn_unless_told();
  announce_copy();
  fibers::report_overflows(report_stack_overflow);
  fibers.enter_thread();
  thread = std::this_thread::get_id();
  inbox->served_by(::gettid(), false);
  running_loop = this;
  running = true;
}

void LoopCore::stop_running() noexcept {
  running = false;
  inbox->served_by(0, false);
  stopping = 0;
  running_loop = nullptr;
}

void LoopCore::run_forever() {
  require_runnable();
  start_running();
  do {
    turn();
    if (!host_only) [[likely]] continue;  // C3
    if (leaving != nullptr) {
      const std::exception_ptr exception = std::exchange(leaving, nullptr);
      update_host_only();
      put_back();
      stop_running();
      std::rethrow_exception(exception);
    }
    if (!main_calls.empty()) run_main_calls();
  } while (stopping == 0);
  stop_running();
}

/// For ticks. Out of line: run_forever() is laid out around its own copy.
void LoopCore::run_ready() { run_current(); }

void LoopCore::run_watched(HandleNode& node) {
  const TimePoint began = std::chrono::steady_clock::now();
  // Described before it runs: it may not exist afterwards. The node is kept for that.
  if (node.role == HandleNode::Role::task_step) {
    auto& task = static_cast<TaskState&>(node);
    const Ref<FutureState> keep(&task);
    run_step(task);
    watch_duration(node, began);
  } else {
    const Ref<HandleNode> keep(&node);
    run_callback(node);
    watch_duration(node, began);
  }
}

void LoopCore::watch_duration(HandleNode& node, TimePoint began) {
  const auto took = std::chrono::steady_clock::now() - began;
  if (owner == nullptr || took < owner->slow_callback_duration) return;
  logger()->warn("Executing {} took {:.3f} seconds: the loop stood still meanwhile; move what blocks to to_thread()",
                 describe(node), std::chrono::duration<double>(took).count());
}

/// Callbacks up to the next step, and the poll that comes before them.
void LoopCore::serve() noexcept {
  if (current == nullptr) begin_turn();
  while (HandleNode* node = current) {
    if (node->role == HandleNode::Role::task_step) return;
    current = node->next;
    ++handles_since_poll_;
    run_callback(*node);
    if (leaving != nullptr) [[unlikely]] return;
  }
}

/// The same, called from the fiber of a task that has suspended or ended, on the host's stack: a callback may need far
/// more than a task has, a poll has room for many events. False: it takes a switch to the host.
bool LoopCore::serve_from_fiber() noexcept {
#if COIR_CALL_ON_STACK
  const fibers::ExceptionState& exceptions = *pool.exception_state;
  // A callback does not see the exceptions that the task is handling.
  if (exceptions.caught != nullptr || exceptions.uncaught != 0 || !pool.may_call_on_host) return false;
  current_task = nullptr;
  const int saved = *pool.thread_errno;
  fibers::call_on_host_stack(pool, [](void* core) { static_cast<LoopCore*>(core)->serve(); }, this);
  *pool.thread_errno = saved;
  return true;
#else
  return false;
#endif
}

void LoopCore::run_callback(HandleNode& node) {
  node.queued = false;
  if (!node.cancelled.load(std::memory_order_acquire)) {
    if (tracer != nullptr) trace(TraceEvent::Kind::callback_runs, nullptr, node.future, node.name);
    node.running = true;
    running_callback = &node;
    try {
      node.invoke();
    } catch (const KeyboardInterrupt&) {
      leaving = std::current_exception();
    } catch (const SystemExit&) {
      leaving = std::current_exception();
    } catch (...) {
      report({.message = "Exception in callback " + describe(node),
              .exception = std::current_exception(),
              .subject = describe(node)});
    }
    node.running = false;
    running_callback = nullptr;
    if (leaving != nullptr) update_host_only();
  }
  FutureState* const future = std::exchange(node.future, nullptr);
  // Nobody else holds the node: destroying it drops the callable, too, at one virtual call less.
  if (node.only_reference()) {
    node.destroy();
  } else {
    if (!node.persistent || node.cancelled.load(std::memory_order_relaxed)) node.drop();
    node.release();
  }
  if (future != nullptr) future->release();
}

void LoopCore::add_job(Job& job) noexcept {
  job.retain();  // J2
  job.loop_ = this;
  job.older_ = newest_job;
  if (newest_job != nullptr) newest_job->newer_ = &job;
  newest_job = &job;
  ++job_count;
  touch();
}

std::vector<AnyTask> LoopCore::tasks() const {
  std::vector<AnyTask> all;
  all.reserve(task_count);
  for (TaskState* task = oldest_task; task != nullptr; task = task->newer_) {
    all.emplace_back(Ref<FutureState>(task));
  }
  return all;
}

void LoopCore::close() {
  if (running) {
    throw UsageError(UsageError::Reason::loop_is_running,
                     std::string("close(): Cannot close a running event loop. ") +
                         (attached() ? "It is attached to a host: detach() it, then close."
                                     : "Call stop(), let run_forever() return, then close."));
  }
  if (closed) return;
  closed = true;
  remove_signal_handlers(*this);
  if (FutureState* spare = take()) spare->release();
  const auto discard = [](HandleNode& node) {
    node.queued = false;
    if (node.role == HandleNode::Role::task_step) return;
    node.drop();
    if (FutureState* future = std::exchange(node.future, nullptr)) future->release();
    node.release();
  };
  // Dropping a callable may run destructors that complete futures; what they make ready is dropped like the rest.
  while (HandleNode* node = next.pop()) discard(*node);
  while (HandleNode* node = main_calls.pop()) discard(*node);
  if (hooks != nullptr) hooks->drop_all();
  timers.clear();
  for (HandleNode* node : poller.unwatch_all()) {
    node->drop();
    node->release();
  }
  NodeQueue posted = inbox->close();
  while (HandleNode* node = posted.pop()) discard(*node);
  while (newest_job != nullptr) newest_job->detach();
  while (newest_bridge != nullptr) newest_bridge->loop_closes();
  std::exchange(c_side, nullptr).reset();
  if (executor) executor->shutdown({});  // does not wait: closing is not the place to
  executor.reset();

  for (TaskState* task = oldest_task; task != nullptr;) {
    TaskState& pending = *std::exchange(task, task->newer_);
    report({.message = pending.fiber_ != nullptr
                           ? "Task was destroyed but it is pending! Its stack is never unwound and leaks."
                           : "Task was destroyed but it is pending! It never began.",
            .subject = describe(static_cast<FutureState&>(pending)) + (pending.waiting_on_ != nullptr
                                                ? ", waiting on " + describe(*pending.waiting_on_)
                                                : std::string())},
           &pending.context);
    if (pending.fiber_ != nullptr) continue;  // still ours: leaked, and through its reference this core, too (P5)
    pending.drop_body();
    remove_task(pending);
    pending.FutureState::release();
  }
  while (HandleNode* node = next.pop()) discard(*node);
}

}  // namespace coir::detail
