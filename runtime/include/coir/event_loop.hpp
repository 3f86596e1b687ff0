// SPDX-License-Identifier: MIT
// Runs callbacks and tasks, one at a time, on one thread. asyncio.AbstractEventLoop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <coir/clock.hpp>
#include <coir/detail/export.hpp>
#include <coir/detail/handle_node.hpp>
#include <coir/detail/loop_head.hpp>
#include <coir/executor.hpp>
#include <coir/fibers/fiber.hpp>
#include <coir/handle.hpp>
#include <coir/host.hpp>
#include <coir/source_location.hpp>

namespace coir {

class AnyFuture;
class EventLoop;
class Tracer;
template <class T>
class Future;
template <class T>
class Task;
struct TaskOptions;

namespace detail {
class LoopCore;
class TaskState;
template <class A>
struct AwaitTraits;
}  // namespace detail

/// What an exception handler gets to know. Strings and the exception may be kept; the rest as their types say.
struct ExceptionContext {
  std::string message;                 ///< what happened: "Exception in callback ..."
  std::exception_ptr exception = {};   ///< may be null
  std::string subject = {};            ///< the task, future or handle concerned: name and where it was created
};
using ExceptionHandler = std::function<void(EventLoop&, const ExceptionContext&)>;

struct LoopOptions {
  /// Borrowed; must outlive the loop. Null: the steady clock.
  Clock* clock = nullptr;
  /// Address space reserved for each task's stack, guard included; 0: fibers::default_stack_bytes().
  std::size_t stack_bytes = 0;
  /// The same for each stack of run_on_big_stack().
  std::size_t big_stack_bytes = std::size_t{8} << 20;
  /// As set_debug(). The environment variable COIR_DEBUG=1 turns it on for every loop.
  bool debug = false;
  /// Every task of the loop starts as with TaskOptions::eager_start. asyncio.eager_task_factory.
  bool eager_tasks = false;
  /// If the loop would block for ever - tasks are left, but no timer, descriptor, executor call, signal handler or second
  /// thread that could wake one - run() and run_forever() throw DeadlockError after a tenth of a second, as Go does. A
  /// program that waits for Ctrl-C alone says so with add_signal_handler(), or turns this off.
  bool detect_deadlocks = true;
  /// Schedule exploration for tests: each turn runs the tasks that are ready in an order drawn from this seed, because
  /// no program may count on one; callbacks keep theirs. The same seed gives the same run. None: asyncio's order.
  std::optional<std::uint64_t> seed = {};
  /// For tests of stack guards.
  fibers::Guard stack_guard = fibers::Guard::automatic;
};

/// Numbers for monitoring. A snapshot; cost: constant.
struct LoopStats {
  std::uint64_t turns = 0;
  std::size_t tasks = 0;            ///< unfinished
  std::size_t timers = 0;           ///< armed
  std::size_t descriptors = 0;      ///< with a reader or writer, or awaited
  std::size_t external_work = 0;    ///< executor calls under way
  fibers::FiberStats fibers;
};

/// One thread's queue of callbacks and tasks.
///
/// A turn: poll (block only if nothing is ready, until the next deadline); take what other threads posted; move due
/// timers behind what is ready, in (deadline, order of creation); run exactly what was ready when the turn began.
/// What those schedule waits for the next turn, so nothing can starve timers, descriptors or the other threads.
///
/// L1  A callback runs only from a turn: never from inside call_soon(), cancel() or set_result().
/// L2  Ready callbacks and steps run in the order in which they became ready.
/// L3  A task never changes thread; the loop runs on the thread that called run_*().
/// L4  The loop owns its unfinished tasks. Destroying a loop with suspended tasks reports and leaks them (P5).
///
/// While work is ready a turn need not enter the kernel: without descriptors it never polls; with descriptors it polls
/// at least once in 16 turns and 256 callbacks; the clock is read only while timers exist. On a virtual clock every
/// turn polls.
///
/// Errors    After close() every call that schedules, creates or runs throws UsageError (loop_is_closed). The
///           constructor throws std::system_error when descriptors run out: a loop takes two,
///           as a guest two more.
/// Threads   call_soon_threadsafe() from any thread; all else from the loop's thread, checked in debug mode.
/// Source    CPython 3.13 Lib/asyncio/base_events.py, _run_once. asyncio polls in every turn, and leaves the order of
///           equal deadlines open.
class COIR_EXPORT EventLoop {
 public:
  explicit EventLoop(const LoopOptions& options = {});
  /// Closes it. Must not be running: the program ends with a message else. Where exit() destroys it, as it does static
  /// objects, a running one is left as it is, whether a task or callback of its own has called exit() or another thread
  /// runs it.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  /// delete keeps the memory of a loop that exit() has left running, for the thread that runs it.
  static void operator delete(void* memory, std::size_t bytes) noexcept;
  static void* operator new(std::size_t bytes);
  static void* operator new(std::size_t, void* place) noexcept { return place; }

  /// Runs turns until stop(). Errors: UsageError (loop_is_running) if a loop runs on this thread already. A
  /// KeyboardInterrupt or SystemExit that leaves a callback or task ends it at once and is thrown from here; what was
  /// ready stays so for the next run.
  void run_forever();
  /// Runs until `awaitable` is done and returns its result or throws its failure. A callable is run as a task.
  /// Errors    as run_forever(); UsageError (stopped_early) if stop() came first, the future then stays pending.
  template <class A>
  typename detail::AwaitTraits<A>::type run_until_complete(A&& awaitable,
                                                           SourceLocation where = SourceLocation::current());
  /// Ends run_forever() after the current turn, or after one turn that does not block if it has not begun.
  void stop();
  /// Drops everything scheduled without running it. Idempotent. Errors: UsageError (loop_is_running).
  void close();
  bool is_running() const noexcept;
  bool is_closed() const noexcept;
  /// The loop's clock. Delays that were given before count from this moment at the latest.
  TimePoint time() const;

  /// Runs fn() in the next turn, after everything that is ready already. Any callable, move-only too; an exception
  /// that leaves it goes to the exception handler. Cost: one allocation.
  template <class Fn>
  Handle call_soon(Fn&& fn, const char* name = nullptr, SourceLocation where = SourceLocation::current()) {
    return schedule_soon(detail::make_callback(std::forward<Fn>(fn), where), name);
  }
  /// The same from any thread, a signal handler excepted (it allocates); wakes the loop if it sleeps. The callable is
  /// destroyed on the loop's thread. Errors: UsageError if the loop is closed; the callable is then destroyed here.
  /// Cost: one allocation, one compare-and-swap, and a write(2) only if the loop sleeps.
  template <class Fn>
  Handle call_soon_threadsafe(Fn&& fn, const char* name = nullptr, SourceLocation where = SourceLocation::current()) {
    return schedule_threadsafe(detail::make_callback(std::forward<Fn>(fn), where), name);
  }
  /// Runs fn() once, `delay` from now; a delay of zero or less is due in the next turn. Equal deadlines run in the
  /// order of these calls. On the real clock "now" is when the loop next looks at it, by the end of the turn: never too
  /// early, and one reading for many timers. For a period without drift: call_at().
  /// Errors: std::invalid_argument for NaN. Cost: one allocation, O(log n); constant if cancelled in the same turn.
  template <class Rep, class Period, class Fn>
  TimerHandle call_later(std::chrono::duration<Rep, Period> delay, Fn&& fn, const char* name = nullptr,
                         SourceLocation where = SourceLocation::current()) {
    return schedule_timer(detail::make_timer(*core_, std::forward<Fn>(fn), to_duration(delay), where), name);
  }
  template <class Fn>
  TimerHandle call_at(TimePoint when, Fn&& fn, const char* name = nullptr,
                      SourceLocation where = SourceLocation::current()) {
    return schedule_timer(detail::make_timer(*core_, std::forward<Fn>(fn), when, where), name);
  }

  /// A pending future of this loop. Cost: one allocation.
  template <class T>
  Future<T> create_future(SourceLocation where = SourceLocation::current());
  /// A task that runs fn() from the next turn on. See create_task().
  template <class Fn>
  [[nodiscard]] Task<std::invoke_result_t<std::decay_t<Fn>&>> create_task(
      Fn&& fn, const TaskOptions& options, SourceLocation where = SourceLocation::current());
  template <class Fn>
  [[nodiscard]] Task<std::invoke_result_t<std::decay_t<Fn>&>> create_task(
      Fn&& fn, SourceLocation where = SourceLocation::current());

  /// Runs fn() in every turn in which `fd` is readable (level-triggered), until removed; replaces an earlier reader.
  /// The descriptor is borrowed: remove it before closing it.
  /// Errors    std::system_error if the kernel cannot poll it (a regular file: EPERM)
  template <class Fn>
  void add_reader(int fd, Fn&& fn, const char* name = nullptr, SourceLocation where = SourceLocation::current()) {
    watch(fd, false, detail::make_callback(std::forward<Fn>(fn), where), name);
  }
  template <class Fn>
  void add_writer(int fd, Fn&& fn, const char* name = nullptr, SourceLocation where = SourceLocation::current()) {
    watch(fd, true, detail::make_callback(std::forward<Fn>(fn), where), name);
  }
  /// False if there was none. A callback that is ready already does not run any more.
  bool remove_reader(int fd);
  bool remove_writer(int fd);

  /// Runs fn() as an ordinary callback, in the order of arrival among the others, whenever the process gets signal `sig`,
  /// until removed or the loop closes; replaces an earlier handler of this loop, also for a signal that is on its way.
  /// Signals that arrive before fn() has begun run it once; one that arrives later runs it again: none is lost.
  ///
  /// Any loop may own a signal, on any thread, but only one at a time. SIGINT taken over inside run() is no longer
  /// turned into a cancellation; an action that the program had set by sigaction() is replaced. On a virtual clock a
  /// handler is nothing to wait for.
  /// Errors    std::invalid_argument for what is no signal, cannot be caught, or tells of a fault in the running
  ///           instruction (SIGSEGV, SIGBUS, SIGFPE, SIGILL); UsageError (signal_in_use) if another loop has it
  /// Cost      A signal: one compare-and-swap, and a write(2) if the loop sleeps.
  /// Source    CPython 3.13 unix_events.py add_signal_handler: for the main thread only, and without the last group
  template <class Fn>
  void add_signal_handler(int sig, Fn&& fn, const char* name = nullptr,
                          SourceLocation where = SourceLocation::current()) {
    handle_signal(sig, detail::make_callback(std::forward<Fn>(fn), where), name);
  }
  /// Gives the signal its default action back, SIGINT too. False if this loop has no handler for it. A callback that is
  /// ready already does not run any more. Errors: std::invalid_argument for what is no signal.
  bool remove_signal_handler(int sig);

  /// Runs fn() on a thread of the executor; the default one is a ThreadPoolExecutor made at first use. The result, or
  /// the exception, arrives as a future of this loop. Cancelling that future succeeds at once: fn() is skipped if it
  /// has not begun, else it runs to its end and its result is dropped. If the loop closes first, likewise.
  /// Lifetime  fn is destroyed on the executor's thread after it ran; the result travels to the loop's thread.
  template <class Fn>
  Future<std::invoke_result_t<std::decay_t<Fn>&>> run_in_executor(Fn&& fn,
                                                                  SourceLocation where = SourceLocation::current());
  template <class Fn>
  Future<std::invoke_result_t<std::decay_t<Fn>&>> run_in_executor(Executor& executor, Fn&& fn,
                                                                  SourceLocation where = SourceLocation::current());
  void set_default_executor(std::unique_ptr<Executor> executor);
  /// Waits for the default executor's threads, at most `timeout`; the loop runs on meanwhile. Later run_in_executor()
  /// calls throw. Suspends: until they are done. Errors: UsageError outside a task.
  void shutdown_default_executor(Duration timeout = std::chrono::minutes(5));

  /// Where failures without an owner go: callbacks that throw, futures whose exception nobody retrieved. The handler
  /// runs on the loop's thread; if it throws, the default handler reports both. An empty function restores the default,
  /// which logs to the spdlog logger "coir".
  void set_exception_handler(ExceptionHandler handler);
  void call_exception_handler(const ExceptionContext& context);
  void default_exception_handler(const ExceptionContext& context);

  /// Debug mode: calls from a foreign thread throw UsageError (wrong_thread), and callbacks and steps that take longer
  /// than slow_callback_duration are logged with name and origin; so are, once for each place, C frames that a
  /// cancellation is about to unwind.
  void set_debug(bool on);
  bool get_debug() const noexcept;
  Duration slow_callback_duration = std::chrono::milliseconds(100);

  /// Makes this loop the guest of the thread's own loop: from here on it counts as running on this thread, without
  /// blocking, until detach(). The host watches backend_fd() and calls pump() while that is readable; it needs no timer
  /// and no other way to be woken. <coir/hosts/...> has adapters that do all of it; docs/embedding_hosts.md says how to
  /// write one.
  ///
  /// Everything but run_*() and close() may be called from the host's own callbacks between two pumps, and takes effect
  /// as if it were called from one of ours. No signal handler is installed but that for stack overflows, and nothing is
  /// called a deadlock.
  /// Errors    UsageError (loop_is_running, also for a host that has a guest already; loop_is_closed); std::system_error
  ///           when descriptors run out
  void attach(Host& host);
  /// Ends that: cancels every task and runs the loop by itself until all have ended, for at most `limit`; tasks that
  /// are left then are reported to the exception handler, with what they wait for and their stacks: a wait that the
  /// host's loop has to end does not end here. If no pump() happened although one was due, that is logged. The host's
  /// loop need not exist any more. Afterwards this one may run by itself, be attached again, or be closed.
  /// Errors    The SystemExit or KeyboardInterrupt that has left the loop. UsageError: not_attached; wrong_thread;
  ///           loop_is_running inside pump().
  void detach(Duration limit = std::chrono::seconds(5));
  /// A descriptor that is readable while pump() has something to do: all descriptors, timers (not those of a virtual
  /// clock) and posts of the loop. Poll it for reading, level-triggered or by any other means; never read it.
  /// Lifetime  Of the loop, which closes it.
  int backend_fd();
  /// When pump() is due if no descriptor and no other thread makes it so: TimePoint::min() at once, max() never.
  TimePoint next_deadline() const noexcept;
  /// One tick of a loop that is attached: polls without blocking, and runs what is ready then; what that schedules
  /// waits for the next. May be called again from inside of a callback, by a loop of the host that the callback runs:
  /// that goes on with what is left. A task must not run the host's loop but inside of on_main(); it works, and is
  /// logged.
  ///
  /// Errors    UsageError: not_attached, wrong_thread. Nothing that a callback or task throws leaves it; a SystemExit
  ///           or KeyboardInterrupt stops the loop, and leaves detach().
  /// Cost      One system call; another if the host was woken by us, or is to be again.
  PumpResult pump(PumpBudget budget = {});

  /// Runs fn() right before the loop polls, each time; it returns until when the loop may sleep at the most,
  /// TimePoint::max() for no opinion. With add_check() what a foreign loop needs to be a guest on this one: prepare,
  /// here; its descriptors, by add_reader(); dispatch, in the check. Handle::cancel() ends it. While work is ready the
  /// loop polls only if it has descriptors.
  /// Source    None in asyncio; libuv's uv_prepare_t and uv_backend_timeout()
  template <class Fn>
  Handle add_prepare(Fn&& fn, const char* name = nullptr, SourceLocation where = SourceLocation::current()) {
    return hook_prepare(detail::make_prepare(std::forward<Fn>(fn), where), name);
  }
  /// Runs fn() right after each poll, before what that has made ready.
  template <class Fn>
  Handle add_check(Fn&& fn, const char* name = nullptr, SourceLocation where = SourceLocation::current()) {
    return hook_check(detail::make_callback(std::forward<Fn>(fn), where), name);
  }

  /// Turns begun so far.
  std::uint64_t turns() const noexcept;
  LoopStats stats() const;
  /// Gets every event of the loop until replaced; null turns tracing off. Borrowed. See trace.hpp.
  void set_tracer(Tracer* tracer) noexcept;

  /// For the templates above.
  detail::LoopCore& core_for(const char* call) const {
    if (checked_) [[unlikely]] check(call);
    return *core_;
  }
  detail::LoopCore& core() const noexcept { return *core_; }

 private:
  friend class detail::LoopCore;
  Handle schedule_soon(detail::HandleNode* node, const char* name);
  Handle schedule_threadsafe(detail::HandleNode* node, const char* name);
  TimerHandle schedule_timer(detail::TimerNode* node, const char* name);
  void watch(int fd, bool writer, detail::HandleNode* node, const char* name);
  void handle_signal(int sig, detail::HandleNode* node, const char* name);
  void set_hook(detail::HandleNode& node, const char* name, const char* call);
  Handle hook_prepare(detail::PrepareNode* node, const char* name);
  Handle hook_check(detail::HandleNode* node, const char* name);
  void require_runnable() const;
  void check(const char* call) const;
  void run_until_done(const AnyFuture& future, bool own_task);

  bool checked_ = false;  // closed, or in debug mode: then each call is checked, out of line
  detail::LoopCore* const core_;  // the last future of the loop may outlive this object
};

/// The loop that runs on this thread, in a task or a callback of it.
/// Errors    UsageError (no_running_loop)
inline EventLoop& get_running_loop() {
  if (detail::running_loop == nullptr) [[unlikely]] detail::throw_no_running_loop("get_running_loop()");
  return *detail::LoopHead::of(*detail::running_loop).owner;
}
/// The running loop, else the one set by set_event_loop().
/// Errors    UsageError (no_running_loop) if there is neither
COIR_EXPORT EventLoop& get_event_loop();
/// Sets this thread's loop for get_event_loop(); borrowed, null unsets.
COIR_EXPORT void set_event_loop(EventLoop* loop) noexcept;
COIR_EXPORT std::unique_ptr<EventLoop> new_event_loop();

}  // namespace coir
