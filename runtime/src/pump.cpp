// SPDX-License-Identifier: MIT
// A loop as a guest: one tick at a time, on the host's stack, never blocking.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include <spdlog/logger.h>

#include "deadlock.hpp"
#include "drain.hpp"
#include "log.hpp"
#include "loop_core.hpp"
#include "no_await.hpp"
#include "process_exit.hpp"

namespace coir {
namespace detail {
namespace {

constexpr std::size_t most_between_looks = 16;  // handles between two looks at the time
constexpr auto proof_period = std::chrono::milliseconds(100);
constexpr std::size_t suspicious_depth = 8;

std::string names_of(const std::vector<StackFrame>& frames) {
  std::string text;
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) text += "\n    " + to_string(*frame);
  return text;
}

/// Moves the first `count` nodes of `queue` to `to`, which is empty.
void move_front(NodeQueue& queue, std::size_t count, NodeQueue& to) noexcept {
  for (; count != 0; --count) {
    HandleNode* const node = queue.pop();
    if (node == nullptr) return;
    to.push(*node);
  }
}

}  // namespace

/// What a pump finds, and leaves as it was: it may be called from inside of a callback or a task.
///
/// On a fiber's stack, that of a task which runs the host's loop itself, the fiber stands for the host: tasks that
/// suspend come back to it.
class PumpScope {
 public:
  explicit PumpScope(LoopCore& core)
      : core_(core),
        task_(std::exchange(current_task, nullptr)),
        no_await_(std::exchange(NoAwaitAccess::innermost, nullptr)),
        callback_(std::exchange(core.running_callback, nullptr)),
        home_(std::exchange(core.home, core.pool.running)),
        started_eagerly_(std::exchange(core.starting_eagerly, false)) {
    core.host_asleep = false;
    core.inbox->after_sleep();
    core.update_host_only();
    if (++core.guest->pumps > suspicious_depth && core.debug) {
      logger()->warn("{} calls of pump() are on the stack, each inside of a callback that the one before runs: who "
                     "runs the host's loop inside of callbacks?", core.guest->pumps);
    }
  }
  ~PumpScope() {
    --core_.guest->pumps;
    core_.starting_eagerly = started_eagerly_;
    core_.home = home_;
    core_.running_callback = callback_;
    NoAwaitAccess::innermost = no_await_;
    current_task = task_;
    core_.update_host_only();
  }
  PumpScope(const PumpScope&) = delete;
  PumpScope& operator=(const PumpScope&) = delete;

  /// Null unless a task runs the host's loop.
  const TaskState* task() const noexcept { return task_; }

 private:
  LoopCore& core_;
  TaskState* const task_;
  NoAwait* const no_await_;
  HandleNode* const callback_;
  fibers::Fiber* const home_;
  const bool started_eagerly_;
};

int LoopCore::backend_fd() {
  if (guest == nullptr) guest = std::make_unique<Guest>(poller);
  return guest->descriptor.fd();
}

void LoopCore::require_guest(const char* call) const {
  if (forked) throw_closed(call);
  if (!attached()) {
    throw UsageError(UsageError::Reason::not_attached,
                     std::string(call) + ": this event loop has no host. Call attach() on the host's thread first; the "
                                         "adapters in <coir/hosts/...> do.");
  }
  if (thread == std::this_thread::get_id()) return;
  throw UsageError(UsageError::Reason::wrong_thread,
                   std::string(call) + " was called from a thread that the loop is not attached on. From other threads "
                                       "call_soon_threadsafe() makes the host pump it.");
}

void LoopCore::attach(Host& host) {
  require_runnable("attach()");
  if (host.guest_ != nullptr) {
    throw UsageError(UsageError::Reason::loop_is_running,
                     "attach(): this Host has a guest already. A Host object belongs to one loop: make one for each, or "
                     "detach() the other loop first.");
  }
  backend_fd();
  start_running();
  inbox->served_by(inbox->server(), true);
  guest->host = &host;
  host.guest_ = this;
  guest->turns_before = turns;
  // Callbacks run on the thread's own stack only by the host's hand: one that runs the host's loop may go on to any
  // task, also to the one whose fiber would have called it.
  guest->may_call_on_host = std::exchange(pool.may_call_on_host, false);
  guest->held = false;
  wake_host();  // what is ready already
}

void LoopCore::wake_host() noexcept {
  host_asleep = false;
  if (!std::exchange(guest->held, true)) guest->host->hold(true);
  if (!std::exchange(guest->signalled, true)) inbox->wake();
}

void LoopCore::put_back() noexcept {
  NodeQueue rest;
  while (HandleNode* const node = current) {
    current = node->next;
    rest.push(*node);
  }
  if (guest != nullptr) rest.append(std::move(guest->round));
  rest.append(std::move(next));
  next = rest;
}

PumpResult LoopCore::pump(const PumpBudget& budget) {
  require_guest("pump()");
  if (guest->exit != nullptr) return {};
  PumpResult result;
  {
    const PumpScope scope(*this);
    const bool on_host = pool.running == &pool.host;
    if (!on_host) warn_of_loop_in_task(scope.task());
    if (on_host) run_main_calls();
    if (guest->exit == nullptr) result.ran = tick(budget);
    result.more = settle(on_host);
  }
  result.next_deadline = result.more ? TimePoint::min() : next_deadline();
  return result;
}

void LoopCore::warn_of_loop_in_task(const TaskState* task) {
  static std::atomic<bool> told{false};
  if (told.exchange(true)) return;
  logger()->warn("{} runs the host's event loop on its own stack of {} KiB. The other tasks go on, this one stands "
                 "still, and what the host calls may need more stack than that. Write coir::on_main([&] {{ ... }}) "
                 "around the call: it then runs on the thread's stack.",
                 task != nullptr ? describe(static_cast<const FutureState&>(*task)) : std::string("A task"),
                 fibers.stack_bytes() >> 10);
}

/// Polls once, and runs what is ready then, or what an outer tick has left of that.
std::size_t LoopCore::tick(const PumpBudget& budget) {
  ++guest->ticks;
  ++turns;
  stopping |= in_tick;  // tasks come back when `current` is empty, instead of beginning a turn
  if (poller.wait(Duration::zero(), next, true).woken) guest->signalled = true;
  guest->descriptor.follow();
  if (hooks != nullptr) [[unlikely]] hooks->check(*this);
  if (!inbox->empty()) next.append(inbox->take());
  if (!timers.empty()) timers.take_due(read_clock(), next);
  if (current == nullptr && guest->round.empty()) guest->round.append(std::move(next));

  const unsigned before = handles_since_poll_;
  const TimePoint deadline = clock.now() + budget.time;
  std::size_t ran = 0;
  std::size_t most = 1;
  for (; leaving == nullptr && guest->exit == nullptr; most = std::min(most * 2, most_between_looks)) {
    if (current == nullptr) {
      NodeQueue some;
      move_front(guest->round, shuffler != nullptr ? budget.handles : std::min(most, budget.handles - ran), some);
      if (some.empty()) break;
      current = some.take();
      if (shuffler != nullptr) [[unlikely]] shuffle_steps();
    }
    run_ready();
    ran = handles_since_poll_ - before;
    if (ran >= budget.handles || clock.now() >= deadline) break;
  }
  stopping &= static_cast<std::uint8_t>(--guest->ticks != 0 ? ~0U : ~unsigned{in_tick});
  return ran;
}

/// Before control goes back to the host: is there more to do, and if not, what may end the host's sleep?
bool LoopCore::settle(bool on_host) {
  Guest& state = *guest;
  if (leaving != nullptr) {
    state.exit = std::exchange(leaving, nullptr);
    put_back();
    state.descriptor.listen(false);
    state.host->stopped();
  } else if ((stopping & stop_asked) != 0) {
    stopping &= static_cast<std::uint8_t>(~unsigned{stop_asked});
    state.host->stopped();
  }
  const TimePoint wanted = hooks != nullptr && state.exit == nullptr ? hooks->prepare(*this) : TimePoint::max();
  const TimePoint now = read_clock();
  give_memory_back(now);
  std::optional<TimePoint> deadline = timers.next_deadline();
  if (wanted != TimePoint::max()) deadline = std::min(deadline.value_or(wanted), wanted);
  if (clock.is_virtual()) poller.prove_all(next);
  const bool calls = on_host && !main_calls.empty();
  bool more = state.exit == nullptr &&
              (calls || current != nullptr || !state.round.empty() || !next.empty() || !inbox->empty() ||
               (deadline && *deadline <= now));
  if (!more) {
    if (std::exchange(state.signalled, false)) inbox->drain_wake_fd();
    more = state.exit == nullptr && !inbox->before_sleep();
  }
  if (more) {
    if (!std::exchange(state.signalled, true)) inbox->wake();
  } else if (state.exit == nullptr) {
    arm_for(deadline, now);
    host_asleep = true;
  }
  const bool pending = more || task_count != 0 || !timers.empty() || poller.active() != 0 || job_count != 0 ||
                       (hooks != nullptr && hooks->any_prepare());
  if (const bool hold = pending && state.exit == nullptr; std::exchange(state.held, hold) != hold) {
    state.host->hold(hold);
  }
  return more;
}

/// A host sleeps until there is something to do, or until the kernel has to be asked again, or memory goes back.
void LoopCore::arm_for(std::optional<TimePoint> deadline, TimePoint now) {
  if (clock.is_virtual()) return;
  if (poller.relies_on_kept()) deadline = std::min(deadline.value_or(now + proof_period), now + proof_period);
  std::optional<Duration> timeout;
  if (deadline) timeout = *deadline - now;
  timeout = limit_for_memory(timeout);
  if (timeout) deadline = now + *timeout;
  guest->descriptor.arm(deadline, now);
}

TimePoint LoopCore::next_deadline() noexcept {
  const bool ready = current != nullptr || !next.empty() || !main_calls.empty() || !inbox->empty() ||
                     (guest != nullptr && !guest->round.empty());
  if (ready) return TimePoint::min();
  if (timers.any_unsettled()) read_clock();
  return timers.next_deadline().value_or(TimePoint::max());
}

std::exception_ptr LoopCore::end_guest() {
  require_guest("detach()");
  if (guest->pumps != 0) {
    throw UsageError(UsageError::Reason::loop_is_running,
                     "detach() inside pump(): a callback or task of the loop cannot take away what runs it. Call "
                     "stop(), and detach when the host has returned.");
  }
  if (turns == guest->turns_before && pump_is_due()) warn_of_no_pump();
  Host& host = *std::exchange(guest->host, nullptr);
  host.guest_ = nullptr;
  put_back();
  host_asleep = false;
  inbox->after_sleep();
  pool.may_call_on_host = guest->may_call_on_host;
  if (guest->exit != nullptr) {
    guest->descriptor.listen(true);
  } else {
    guest->descriptor.arm(std::nullopt, clock.now());
  }
  stop_running();
  if (guest->held) host.hold(false);
  return std::exchange(guest->exit, nullptr);
}

/// What the descriptor says but for our own wake-up, which attach() has sent in any case.
bool LoopCore::pump_is_due() noexcept {
  if (next_deadline() <= clock.now()) return true;
  if (poller.active() == 0) return false;
  if (std::exchange(guest->signalled, false)) inbox->drain_wake_fd();
  pollfd descriptors{poller.fd(), POLLIN, 0};
  return ::poll(&descriptors, 1, 0) == 1;
}

void LoopCore::warn_of_no_pump() const {
  std::size_t count = 0;
  const TaskState* first = nullptr;
  for (const TaskState* task = oldest_task; task != nullptr; task = task->newer()) {
    if (task->fiber() != nullptr) continue;
    if (count++ == 0) first = task;
  }
  std::string what = "nothing that was ready has run";
  if (count != 0) {
    what = (count == 1 ? "1 task" : std::to_string(count) + " tasks") + " never began, the first of them " +
           describe(static_cast<const FutureState&>(*first));
  }
  logger()->warn("detach(): no pump() happened since attach(), so {}. Have your loop watch loop.backend_fd() for "
                 "reading and call loop.pump() whenever it is readable; with an adapter of <coir/hosts/...> run the "
                 "host's loop. See docs/embedding_hosts.md.", what);
}

void LoopCore::lose_host() noexcept {
  const bool by_exit = called_by_exit();  // wrong or not, nobody is left to whom it would matter
  if (by_exit && thread != std::this_thread::get_id()) return;  // that thread may be using it
  guest->host = &guest->nobody;
  if (forked || by_exit) return;
  logger()->error("~Host(): the host of an event loop was destroyed while that is attached to it. The loop stays a "
                  "guest, but has nobody to tell when to stay and when to stop. Declare the host before the Attachment, "
                  "so that it outlives it: EventLoop loop; Host host; Attachment attachment(loop, host); or call "
                  "detach() before the host goes.");
}

bool LoopCore::left_by_exit() const noexcept {
  // Between two pumps of this thread the host is what has called exit(), and the guest can still be drained.
  const bool here = thread == std::this_thread::get_id();
  return running && (!here || !attached() || guest->pumps != 0) && called_by_exit();
}

}  // namespace detail

using detail::LoopCore;

int EventLoop::backend_fd() {
  core_->require_open("backend_fd()");
  return core_->backend_fd();
}
TimePoint EventLoop::next_deadline() const noexcept { return core_->next_deadline(); }
PumpResult EventLoop::pump(PumpBudget budget) { return core_->pump(budget); }
void EventLoop::attach(Host& host) { core_->attach(host); }

void EventLoop::detach(Duration limit) {
  const std::exception_ptr exit = core_->end_guest();
  for (const AnyTask& task : detail::cancel_all_tasks(*this, "detach()", limit)) {
    call_exception_handler(
        {.message = "detach(): a task did not end when it was cancelled, and its time is over. It waits on " +
                    detail::describe_wait(static_cast<const detail::TaskState&>(task.state())) +
                    ". detach() runs this loop alone, not the host's: if the host has to end that wait, run the host's "
                    "loop until the tasks have ended, and detach then (docs/embedding_hosts.md, \"Who ends first\"). "
                    "The task stays suspended; when the loop is destroyed its stack leaks.",
         .subject = task.describe() + detail::names_of(task.get_stack())});
  }
  if (exit != nullptr) std::rethrow_exception(exit);
}

Host::~Host() {
  if (guest_ != nullptr) guest_->lose_host();
}
void Host::hold(bool) noexcept {}
void Host::stopped() noexcept {}

Attachment::Attachment(EventLoop& loop, Host& host) : loop_(loop) { loop.attach(host); }

Attachment::~Attachment() {
  if (attached_ && loop_.core().left_by_exit()) return;
  try {
    detach();
  } catch (...) {
    loop_.call_exception_handler({.message = "an event loop was detached from its host",
                                  .exception = std::current_exception()});
  }
}

void Attachment::detach(Duration limit) {
  if (std::exchange(attached_, false)) loop_.detach(limit);
}

}  // namespace coir
