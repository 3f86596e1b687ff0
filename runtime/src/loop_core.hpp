// SPDX-License-Identifier: MIT
// The state of a loop and its scheduler. Private to runtime/.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>

#include <coir/detail/bridge_base.hpp>
#include <coir/detail/job.hpp>
#include <coir/detail/task_state.hpp>
#include <coir/event_loop.hpp>
#include <coir/on_switch.hpp>
#include <coir/trace.hpp>

#include "big_stack.hpp"
#include "guest.hpp"
#include "inbox.hpp"
#include "loop_hooks.hpp"
#include "poller.hpp"
#include "switch.hpp"
#include "timer_queue.hpp"

namespace coir::detail {

class CLoop;

/// Everything that an EventLoop is, kept alive by its futures so that a handle may outlive the loop.
///
///     current   handles of this turn, not run yet      |  a node is in at most one of these
///     next      became ready during this turn          |  (HandleNode N1)
///     timers, poller, inbox, main_calls; a guest's `round`
///
/// The scheduler is the queue, whichever stack is current: a suspending task takes the next entry itself and, if that is
/// the step of another task, jumps straight to it, or calls it, if it waits for just that one (call_if_next). Callbacks
/// run on the host's stack, which the task calls into; for blocking and everything out of the ordinary it switches to the
/// host. The order is the same either way.
///
/// C1  While a turn runs, current holds exactly what was ready when it began and has not run; a turn that is left early
///     puts it back in front of next.
/// C2  current_task is set from the switch to a task's fiber until that task suspends or ends, and null on the host.
/// C3  host_only is set whenever a suspending task must return to the host: tracing, debug mode, a seed, hooks, an exception
///     on its way out of the loop, a call for the host's stack; or to whoever has started it eagerly, who is `home`
///     meanwhile.
/// C4  host_asleep is set only while a host watches backend_fd() and has not been told of what became ready since:
///     whoever changes what the loop waits for has to touch() it.
class LoopCore : public LoopHead {
 public:
  LoopCore(EventLoop& of, const LoopOptions& options);
  void destroy() noexcept { delete this; }  // for LoopHead, when nobody is left

  void run_forever();
  /// Errors    UsageError (loop_is_closed, loop_is_running) if run_forever() would refuse
  void require_runnable(const char* call = "run_forever() or run_until_complete()") const;
  [[noreturn]] void throw_closed(const char* call) const;
  /// In the child of a fork(), whose parent goes on to run the loop. It shares the epoll set with the parent: nothing
  /// may touch it any more. Every call throws, as if it were closed.
  void abandon_after_fork() noexcept;
  void close();
  void schedule(HandleNode& node) noexcept {
    requeue(node);
    touch();
  }
  /// The same from inside of a turn.
  void requeue(HandleNode& node) noexcept {
    node.queued = true;
    next.push(node);
  }
  void touch() noexcept {
    if (host_asleep) [[unlikely]] wake_host();
  }
  /// Reads the clock, and settles the timers that wait for that (TimerQueue Q3).
  TimePoint read_clock() noexcept {
    const TimePoint now = clock.now();
    if (timers.any_unsettled()) timers.settle(now);
    return now;
  }
  /// Takes the node's reference over. Errors: std::bad_alloc, and nothing is taken.
  void add_timer(TimerNode& node) {
    timers.insert(node);
    // Any other clock may be moved on within a turn, as a virtual one by advance().
    if (node.unsettled && (!clock_is_steady || timers.unsettled() == TimerQueue::most_unsettled)) read_clock();
    touch();
  }
  /// Calls the exception handler, in the context of `of` if given (L16).
  void report(const ExceptionContext& context, ContextSlot* of = nullptr) noexcept;
  void default_report(const ExceptionContext& context) noexcept;
  void add_task(TaskState& task) noexcept {
    task.FutureState::retain();  // T3
    task.older_ = newest_task;
    task.newer_ = nullptr;
    (newest_task != nullptr ? newest_task->newer_ : oldest_task) = &task;
    newest_task = &task;
    ++task_count;
  }
  void remove_task(TaskState& task) noexcept;
  void add_job(Job& job) noexcept;
  std::vector<AnyTask> tasks() const;
  /// "the callback 'tick' scheduled at app.cpp:7"; for messages about what must not be done outside of a task
  std::string describe_running_callback() const;
  void update_host_only() noexcept {
    host_only = debug || tracer != nullptr || shuffler != nullptr || leaving != nullptr || starting_eagerly ||
                !main_calls.empty() || !switch_hooks.empty();
  }
  void call_on_big_stack(TaskState& task, void (*call)(void*), void* argument);
  /// Runs the first step of a task inside the call that creates it. Errors: what leaves run_forever() leaves here, too.
  void start_eagerly(TaskState& task);

  // As a guest: pump.cpp, where EventLoop says what these do.
  int backend_fd();
  void attach(Host& host);
  PumpResult pump(const PumpBudget& budget);
  TimePoint next_deadline() noexcept;
  bool attached() const noexcept { return guest != nullptr && guest->host != nullptr; }
  /// Makes backend_fd() readable. C4
  void wake_host() noexcept;
  /// Ends guest mode. What left the loop in it, if anything did.
  std::exception_ptr end_guest();
  /// ~Host(), before end_guest().
  void lose_host() noexcept;
  /// exit() destroys what uses this loop, while the loop runs: further out on this thread's stack, or on another thread.
  /// It will not run on here, or cannot be told to end: it is left as it is.
  bool left_by_exit() const noexcept;

  void run_callback(HandleNode& node);
  void require_open(const char* call) const {
    if (closed) [[unlikely]] throw_closed(call);
    if (debug) [[unlikely]] require_thread(call);
  }
  void trace(TraceEvent::Kind kind, FutureState* task, FutureState* future = nullptr, const char* name = "");

  void drop_thrown_body(TaskState& task) noexcept;
  void end_body(TaskState& task) noexcept;

  /// Called on a task's fiber that has suspended the task: returns when the task is switched to again.
  [[gnu::always_inline]] void leave_task() noexcept {
    fibers::Fiber& to = pick_next();
    if (&to != pool.running) switch_fiber(pool, to);
  }
  void call_if_next(TaskState& awaited) noexcept;
  /// Assignment of every fiber: runs a task, then whichever tasks not begun come next, then names where to go on.
  static fibers::Fiber& run_tasks(void* first_task) noexcept;

  HandleNode* current = nullptr;  // C1; oldest first, linked by `next`
  NodeQueue next;
  bool host_asleep = false;    // C4
  TimerQueue timers;
  std::shared_ptr<Inbox> inbox;
  Poller poller;
  fibers::FiberPool fibers;
  fibers::FiberPool::Impl& pool;
  fibers::Fiber* home;         // C3; where a task goes that cannot jump to another one
  Clock& clock;
  const bool clock_is_steady;  // the system's
  NodeQueue main_calls;        // for on_main(): to run on the host's stack, between turns
  std::unique_ptr<Guest> guest;      // null until backend_fd() is asked for
  std::unique_ptr<LoopHooks> hooks;  // null until the first
  Tracer* tracer = nullptr;
  const std::unique_ptr<std::mt19937_64> shuffler;  // LoopOptions::seed; null: order of becoming ready
  ExceptionHandler exception_handler;
  std::shared_ptr<Executor> executor;  // made at first use; shared with the thread that shuts it down
  std::vector<std::unique_ptr<SwitchHook>> switch_hooks;  // never shrinks
  std::unique_ptr<BigStacks> big_stacks;  // made at first use
  const std::size_t big_stack_bytes;
  std::exception_ptr leaving;  // KeyboardInterrupt or SystemExit that must leave run_forever()
  TaskState* oldest_task = nullptr;
  TaskState* newest_task = nullptr;
  Job* newest_job = nullptr;
  HandleNode* running_callback = nullptr;  // valid while one runs
  std::thread::id thread;      // that runs the loop; valid while running
  std::uint64_t turns = 0;
  std::size_t task_count = 0;
  std::size_t job_count = 0;
  std::size_t signal_handlers = 0;  // that may wake a loop which has nothing else to wait for
  bool running = false;
  bool closed = false;
  bool forked = false;         // closed by abandon_after_fork()
  enum : std::uint8_t { stop_asked = 1, in_tick = 2 };
  std::uint8_t stopping = 0;   // of these: no turn begins from a fiber
  bool host_only = false;      // C3
  bool eager_tasks;
  bool starting_eagerly = false;  // a first step runs inside of create_task()
  bool detect_deadlocks;
  bool debug;
  bool executor_shut_down = false;
  bool stop_when_stalled = false;  // for testing.hpp
  bool stalled = false;
  bool must_give_way = false;      // a cancel() goes round in a circle: see TaskState::give_way()
  BridgeBase* newest_bridge = nullptr;  // that something here waits for
  TimePoint waited_at{};                // when the loop last had nothing to do
  std::shared_ptr<CLoop> c_side;        // handles of <coir/coir.h>; null until the first

 private:
  friend struct DebugLayout;
  ~LoopCore();
  void require_thread(const char* call) const;

  void turn();
  void wait_for_work();
  bool spin_for_post() noexcept;
  bool may_wait_for_ever() const noexcept;
  void shuffle_steps();
  void collect();
  void run_current();
  bool serve_from_fiber() noexcept;
  void serve() noexcept;
  void start_running();
  void stop_running() noexcept;
  void sleep(TimePoint limit);
  void run_main_calls();
  void run_ready();
  std::size_t tick(const PumpBudget& budget);
  bool settle(bool on_host);
  void arm_for(std::optional<TimePoint> deadline, TimePoint now);
  void put_back() noexcept;
  void warn_of_loop_in_task(const TaskState* task);
  void require_guest(const char* call) const;
  bool pump_is_due() noexcept;
  void warn_of_no_pump() const;
  void run_step(TaskState& task);
  bool begin_on_host(TaskState& task) noexcept;
  void run_watched(HandleNode& node);
  void watch_duration(HandleNode& node, TimePoint began);
  void execute(TaskState& task) noexcept;
  void enter_hooks(const TaskState& task) noexcept;
  void leave_hooks(const TaskState& task) noexcept;
  void end_hooks(const TaskState& task) noexcept;
  void give_memory_back(TimePoint now) noexcept;
  std::optional<Duration> limit_for_memory(std::optional<Duration> timeout) const noexcept;

  /// A turn begins with a test and a move when nothing but the ready queue has to be looked at.
  [[gnu::always_inline]] void begin_turn() {
    COIR_ASSERT(current == nullptr, "C1: a turn begins before the last one ended");
    ++turns;
    if (!timers.empty() || poller.active() != 0 || !inbox->empty()) [[unlikely]] collect();
    current = next.take();
  }
  bool poll_due() const noexcept {
    return poller.active() != 0 && (turns_since_poll_ + 1 >= max_turns_without_poll ||
                                    handles_since_poll_ >= max_handles_without_poll || clock.is_virtual());
  }
  /// The next entry if it can be switched to from a fiber: a step of a task that has a fiber, or can begin on one. What
  /// comes before it and can be done from here has been done.
  [[gnu::always_inline]] TaskState* next_step() noexcept {
    while (!host_only) {
      if (current == nullptr) {
        if (next.empty() || stopping) return nullptr;
        if (poll_due()) [[unlikely]] {
          if (!serve_from_fiber()) return nullptr;
          continue;
        }
        begin_turn();
        if (current == nullptr) return nullptr;
      }
      if (current->role == HandleNode::Role::task_step) [[likely]] {
        auto& task = static_cast<TaskState&>(*current);
        // A task cancelled before its first step ends without a fiber; that happens on the host.
        return task.fiber_ != nullptr || !task.must_cancel_ ? &task : nullptr;
      }
      if (!serve_from_fiber()) return nullptr;
    }
    return nullptr;
  }
  void take_step(TaskState& task) noexcept {
    current = task.HandleNode::next;
    if (current != nullptr) prefetch_behind(*current);
    ++handles_since_poll_;
    task.queued = false;
    current_task = &task;
  }
  [[gnu::always_inline]] static void prefetch_behind(HandleNode& first) noexcept {
    if (first.role == HandleNode::Role::task_step) {
      if (const fibers::Fiber* fiber = static_cast<TaskState&>(first).fiber_) {
        // Not a pointer: that of a fiber which has never been left is null.
        const auto frame = reinterpret_cast<std::uintptr_t>(fiber->frame);
        __builtin_prefetch(reinterpret_cast<void*>(frame - 128), 1);
        __builtin_prefetch(reinterpret_cast<void*>(frame - 64), 1);
        __builtin_prefetch(reinterpret_cast<void*>(frame), 1);
      }
    }
    if (HandleNode* second = first.next) {
      if (HandleNode* third = second->next) {
        __builtin_prefetch(third, 1);
        __builtin_prefetch(&third->next, 1);
      }
      if (second->role == HandleNode::Role::task_step) {
        if (const fibers::Fiber* fiber = static_cast<TaskState*>(second)->fiber_) __builtin_prefetch(fiber, 1);
      }
    }
  }
  [[gnu::always_inline]] fibers::Fiber& pick_next() noexcept {
    TaskState* const task = next_step();
    if (task == nullptr || (task->fiber_ == nullptr && !give_fiber(*task))) return go_to_host();
    take_step(*task);
    return *task->fiber_;
  }
  fibers::Fiber& go_to_host() noexcept {
    if (!switch_hooks.empty() && current_task != nullptr) [[unlikely]] leave_hooks(*current_task);
    current_task = nullptr;
    return *home;
  }
  /// False if no stack can be had; the host then tries again and fails the task with the reason.
  bool give_fiber(TaskState& task) noexcept;

  // A turn with ready work polls at least once in this many turns and callbacks: a poll costs 30 switches, so it is shared
  // by about as many, and descriptors wait at most for as long as these take.
  static constexpr unsigned max_turns_without_poll = 16;
  static constexpr unsigned max_handles_without_poll = 256;

  // Links of the list of all loops, for debuggers: loops appear and go under loops_mutex_. Untyped, because that is how
  // they are read.
  static const void* first_loop_;
  static std::mutex loops_mutex_;
  const void* next_loop_ = nullptr;

  unsigned turns_since_poll_ = 0;
  unsigned handles_since_poll_ = 0;
  unsigned spins_ = 0;            // see spin_for_post()
  bool examined_ = false;         // the present wait for nothing in particular is no deadlock
  std::size_t peak_before_ = 0;   // fibers in use at once in the period before this one
  TimePoint period_began_{};
};

/// "Task 'main' created at app.cpp:7"
std::string describe(const FutureState& future);
std::string describe(const HandleNode& node);

}  // namespace coir::detail
