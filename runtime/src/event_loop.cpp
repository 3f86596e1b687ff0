// SPDX-License-Identifier: MIT
#include <coir/event_loop.hpp>

#include <atomic>
#include <utility>

#include <coir/await.hpp>

#include "loop_core.hpp"
#include "process_exit.hpp"
#include "signals.hpp"
#include "stop_when_done.hpp"

namespace coir {

using detail::LoopCore;

namespace {

COIR_TLS EventLoop* set_loop = nullptr;

// Loops that were destroyed with suspended tasks, or by exit() while they ran. They are leaked on purpose (P5); this
// keeps them reachable, so that a leak checker reports what the user lost and not this.
std::atomic<std::size_t> abandoned_count{0};
LoopCore* abandoned[64];

void abandon(LoopCore& core) noexcept {
  const std::size_t index = abandoned_count.fetch_add(1, std::memory_order_relaxed);
  if (index < std::size(abandoned)) abandoned[index] = &core;
}

std::atomic<bool> left_running{false};  // some loop, by exit()

}  // namespace

EventLoop::EventLoop(const LoopOptions& options) : core_(new LoopCore(*this, options)) {
  checked_ = core_->debug;
}

EventLoop::~EventLoop() {
  if (core_->running && detail::called_by_exit()) {
    // Nothing is touched: another thread may be inside of the loop, and may go on with this object until the very end.
    abandon(*core_);
    left_running = true;
    return;
  }
  COIR_CHECK(!core_->running, "an EventLoop destroyed while it runs, or before it is detached from its host");
  close();
  if (core_->task_count != 0) abandon(*core_);
  core_->owner = nullptr;
  if (set_loop == this) set_loop = nullptr;
  core_->release();
}

// Not inlined: GCC would take the pair for a mismatch.
[[gnu::noinline]] void* EventLoop::operator new(std::size_t bytes) { return ::operator new(bytes); }
[[gnu::noinline]] void EventLoop::operator delete(void* memory, std::size_t) noexcept {
  if (!left_running) ::operator delete(memory);
}

void EventLoop::check(const char* call) const { core_->require_open(call); }

void EventLoop::run_forever() { core_->run_forever(); }

void EventLoop::require_runnable() const { core_->require_runnable(); }

void EventLoop::run_until_done(const AnyFuture& future, bool own_task) {
  if (&future.state().loop() != core_) {
    throw UsageError(UsageError::Reason::wrong_loop,
                     "run_until_complete(): " + future.describe() + " is attached to a different loop.");
  }
  const detail::StopWhenDone stop_when_done(*this, future);
  try {
    core_->run_forever();
  } catch (...) {
    // The exception that left the loop is the task's own: whoever made the task here gets it from this very throw.
    if (own_task && future.done()) future.state().mark_retrieved();
    throw;
  }
  if (!future.done()) {
    throw UsageError(UsageError::Reason::stopped_early,
                     "run_until_complete(): Event loop stopped before Future completed. It is still pending; run again "
                     "to go on.");
  }
}

void EventLoop::stop() {
  core_->require_open("stop()");
  core_->stopping |= LoopCore::stop_asked;
  core_->touch();
  if (core_->tracer != nullptr) core_->trace(TraceEvent::Kind::stop, nullptr);
}

void EventLoop::close() {
  if (core_->forked) return;
  // First: what closing drops may run destructors that call this loop. A running loop refuses to close.
  if (!core_->running) checked_ = true;
  core_->close();
}
bool EventLoop::is_running() const noexcept { return core_->running; }
bool EventLoop::is_closed() const noexcept { return core_->closed; }
TimePoint EventLoop::time() const { return core_->read_clock(); }

namespace {

/// Releases a node that could not be scheduled, so that its callable is destroyed before the error leaves.
class NodeGuard {
 public:
  explicit NodeGuard(detail::HandleNode& node) noexcept : node_(&node) {}
  NodeGuard(const NodeGuard&) = delete;
  NodeGuard& operator=(const NodeGuard&) = delete;
  ~NodeGuard() {
    if (node_ != nullptr) node_->release();
  }
  void dismiss() noexcept { node_ = nullptr; }

 private:
  detail::HandleNode* node_;
};

}  // namespace

Handle EventLoop::schedule_soon(detail::HandleNode* node, const char* name) {
  if (checked_) [[unlikely]] {
    NodeGuard guard(*node);
    check("call_soon()");
    guard.dismiss();
  }
  node->name = name;
  detail::copy_current_context(node->context);
  node->refs = 2;  // the queue's and the handle's
  core_->schedule(*node);
  return Handle{detail::Ref<detail::HandleNode>::adopt(node)};
}

Handle EventLoop::schedule_threadsafe(detail::HandleNode* node, const char* name) {
  node->shared = true;
  node->name = name;
  detail::copy_current_context(node->context);
  NodeGuard guard(*node);
  node->refs = 2;  // the inbox's and the handle's; no atomic increment before others can see it
  Handle handle{detail::Ref<detail::HandleNode>::adopt(node)};
  node->queued = true;
  // Not require_open(): `closed` belongs to the loop's thread.
  if (!core_->inbox->push(*node)) core_->throw_closed("call_soon_threadsafe()");
  guard.dismiss();
  return handle;
}

TimerHandle EventLoop::schedule_timer(detail::TimerNode* node, const char* name) {
  NodeGuard guard(*node);
  if (checked_) [[unlikely]] check(node->unsettled ? "call_later()" : "call_at()");
  node->name = name;
  detail::copy_current_context(node->context);
  core_->add_timer(*node);
  guard.dismiss();
  node->refs = 2;  // the heap's and the handle's
  TimerHandle handle{detail::Ref<detail::TimerNode>::adopt(node)};
  if (core_->tracer != nullptr) [[unlikely]] core_->trace(TraceEvent::Kind::timer_added, nullptr, nullptr, name);
  return handle;
}

void EventLoop::watch(int fd, bool writer, detail::HandleNode* node, const char* name) {
  NodeGuard guard(*node);
  core_->require_open(writer ? "add_writer()" : "add_reader()");
  guard.dismiss();
  node->name = name;
  detail::copy_current_context(node->context);
  node->persistent = true;
  const auto direction = writer ? detail::Poller::write : detail::Poller::read;
  core_->touch();
  if (detail::HandleNode* replaced = core_->poller.watch(fd, direction, *node)) {
    Handle(detail::Ref<detail::HandleNode>::adopt(replaced)).cancel();
  }
}

namespace {

bool stop_watching(LoopCore& core, int fd, detail::Poller::Direction direction) {
  detail::HandleNode* node = core.poller.unwatch(fd, direction);
  if (node == nullptr) return false;
  core.touch();
  Handle(detail::Ref<detail::HandleNode>::adopt(node)).cancel();
  return true;
}

}  // namespace

bool EventLoop::remove_reader(int fd) {
  core_->require_open("remove_reader()");
  return stop_watching(*core_, fd, detail::Poller::read);
}
bool EventLoop::remove_writer(int fd) {
  core_->require_open("remove_writer()");
  return stop_watching(*core_, fd, detail::Poller::write);
}

void EventLoop::handle_signal(int sig, detail::HandleNode* node, const char* name) {
  NodeGuard guard(*node);
  core_->require_open("add_signal_handler()");
  guard.dismiss();
  node->name = name;
  detail::copy_current_context(node->context);
  detail::add_signal_handler(*core_, sig, *node);
}
bool EventLoop::remove_signal_handler(int sig) { return detail::remove_signal_handler(*core_, sig); }

void EventLoop::set_hook(detail::HandleNode& node, const char* name, const char* call) {
  NodeGuard guard(node);
  core_->require_open(call);
  if (core_->hooks == nullptr) core_->hooks = std::make_unique<detail::LoopHooks>();
  guard.dismiss();
  node.name = name;
  node.persistent = true;
  detail::copy_current_context(node.context);
  core_->touch();
}
Handle EventLoop::hook_prepare(detail::PrepareNode* node, const char* name) {
  set_hook(*node, name, "add_prepare()");
  core_->hooks->add_prepare(*node);
  return Handle(detail::Ref<detail::HandleNode>(node));
}
Handle EventLoop::hook_check(detail::HandleNode* node, const char* name) {
  set_hook(*node, name, "add_check()");
  core_->hooks->add_check(*node);
  return Handle(detail::Ref<detail::HandleNode>(node));
}

void EventLoop::set_exception_handler(ExceptionHandler handler) { core_->exception_handler = std::move(handler); }
void EventLoop::call_exception_handler(const ExceptionContext& context) { core_->report(context); }
void EventLoop::default_exception_handler(const ExceptionContext& context) { core_->default_report(context); }

void EventLoop::set_debug(bool on) {
  core_->debug = on;
  checked_ = on || core_->closed;
  core_->update_host_only();
}
bool EventLoop::get_debug() const noexcept { return core_->debug; }
std::uint64_t EventLoop::turns() const noexcept { return core_->turns; }
LoopStats EventLoop::stats() const {
  return {.turns = core_->turns,
          .tasks = core_->task_count,
          .timers = core_->timers.size(),
          .descriptors = core_->poller.active(),
          .external_work = core_->job_count,
          .fibers = core_->fibers.stats()};
}
void EventLoop::set_tracer(Tracer* tracer) noexcept {
  core_->tracer = tracer;
  core_->update_host_only();
}

EventLoop& get_event_loop() {
  if (detail::running_loop != nullptr) return *detail::running_loop->owner;
  if (set_loop != nullptr) return *set_loop;
  throw UsageError(UsageError::Reason::no_running_loop,
                   "get_event_loop(): no loop runs on this thread and none was set. Use coir::run(), or "
                   "set_event_loop() first.");
}

void set_event_loop(EventLoop* loop) noexcept { set_loop = loop; }
std::unique_ptr<EventLoop> new_event_loop() { return std::make_unique<EventLoop>(); }

}  // namespace coir
