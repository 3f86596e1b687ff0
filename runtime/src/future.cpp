// SPDX-License-Identifier: MIT
#include <coir/future.hpp>

#include <utility>

#include <coir/errors.hpp>

#include "loop_core.hpp"
#include "unwind_audit.hpp"

namespace coir {
namespace detail {

static_assert(std::is_base_of_v<LoopHead, LoopCore> && !std::is_polymorphic_v<LoopCore>, "see FutureState::head()");

void LoopHead::delete_loop(LoopHead& loop) noexcept { static_cast<LoopCore&>(loop).destroy(); }

void FutureState::drop_callbacks() noexcept {
  while (HandleNode* node = first_) remove_callback(*node);
}

void FutureState::dispose() noexcept {
  if (first_ != nullptr && !loop_->closed && kept_by_source()) return;
  if (unretrieved_) {
    unretrieved_ = false;
    ++refs_;  // describe() and a handler may make handles of their own
    loop_->report({.message = is_task_ ? "Task exception was never retrieved" : "Future exception was never retrieved",
                   .exception = exception_,
                   .subject = detail::describe(*this)},
                  is_task_ ? &static_cast<TaskState*>(this)->context : nullptr);
    if (--refs_ != 0) return;
  }
  delete this;
}

void FutureState::trace_created() {
  if (loop_->tracer != nullptr) loop_->trace(TraceEvent::Kind::future_created, nullptr, this, kind_);
}

const std::string& FutureState::cancel_message() const noexcept {
  static const std::string empty;
  return cancel_message_ ? *cancel_message_ : empty;
}

void FutureState::set_cancel_message(std::string message) {
  cancel_message_ = message.empty() ? nullptr : std::make_unique<std::string>(std::move(message));
}

bool FutureState::cancel(std::string message) { return take_cancelled(std::move(message)); }

bool FutureState::take_cancelled(std::string message) {
  if (done()) {
    unretrieved_ = false;
    return false;
  }
  set_cancel_message(std::move(message));
  complete(State::cancelled);
  return true;
}

void FutureState::finish(std::exception_ptr exception) noexcept {
  exception_ = std::move(exception);
  unretrieved_ = true;
  complete(State::finished);
}

[[gnu::always_inline]] inline void FutureState::make_callbacks_ready() noexcept {
  HandleNode* const first = std::exchange(first_, nullptr);
  for (HandleNode* node = first; node != nullptr; node = node->next) {
    node->listed = false;
    node->queued = true;
    if (node->role == HandleNode::Role::callback) retain();  // S2
  }
  loop_->next.append(first, last_);
}

// Whatever is out of the ordinary is behind one test and a tail call, so that this saves no registers: it is on the path of
// every wake-up.
void FutureState::complete(State state) noexcept {
  COIR_ASSERT(state_ == State::pending, "a future completed twice");
  state_ = state;
  const LoopCore& loop = *loop_;
  if (loop.tracer != nullptr || loop.closed || loop.host_asleep) [[unlikely]] return complete_watched();
  if (first_ != nullptr) make_callbacks_ready();
}

void FutureState::complete_watched() noexcept {
  if (loop_->tracer != nullptr && !is_task_) loop_->trace(TraceEvent::Kind::future_done, nullptr, this, kind_);
  if (first_ == nullptr) return;
  if (!loop_->closed) {
    make_callbacks_ready();
    loop_->touch();
    return;
  }
  for (HandleNode* node = std::exchange(first_, nullptr); node != nullptr;) {
    HandleNode* dropped = std::exchange(node, node->next);
    dropped->listed = false;
    if (dropped->role == HandleNode::Role::task_step) continue;
    dropped->future = nullptr;
    dropped->drop();
    dropped->release();
  }
}

std::exception_ptr FutureState::exception() {
  if (state_ == State::finished) [[likely]] {
    unretrieved_ = false;
    return exception_;
  }
  if (state_ == State::cancelled) throw CancelledError(cancel_message());
  throw InvalidStateError("exception(): Exception is not set, " + detail::describe(*this) + " is pending");
}

std::exception_ptr FutureState::reason() {
  unretrieved_ = false;
  return exception_ != nullptr ? exception_ : std::make_exception_ptr(CancelledError(cancel_message()));
}

void FutureState::throw_no_value() {
  if (state_ == State::pending) {
    throw InvalidStateError("result(): Result is not set, " + detail::describe(*this) + " is pending");
  }
  unretrieved_ = false;
  if (state_ == State::cancelled) {
    if (current_task != nullptr && running_loop->debug) audit_cancellation(*current_task);
    throw CancelledError(cancel_message());
  }
  std::rethrow_exception(exception_);
}

void FutureState::throw_no_value_and_release() {
  const auto own = Ref<FutureState>::adopt(this);
  throw_no_value();
}

void FutureState::throw_not_settable(const char* call) const {
  if (is_task_) {
    throw UsageError(UsageError::Reason::result_of_task,
                     std::string(call) + " on " + detail::describe(*this) +
                         ": a task's result is what its body returns. Return it there, or use a Future.");
  }
  throw InvalidStateError(std::string(call) + ": invalid state, " + detail::describe(*this) + " is " +
                          (cancelled() ? "cancelled" : "done") + " already. Test done() first.");
}

void FutureState::schedule_callback(HandleNode& node) noexcept {
  retain();  // S2
  loop_->schedule(node);
}

void FutureState::add_done_callback(HandleNode& node, const char* name) {
  loop_->require_open("add_done_callback()");
  node.name = name;
  add_callback(node);
  if (loop_->tracer != nullptr) [[unlikely]] loop_->trace(TraceEvent::Kind::callback_added, nullptr, this, name);
}

bool FutureState::remove_callback(HandleNode& node) noexcept {
  if (!node.listed || node.future != this) return false;
  (node.previous == nullptr ? first_ : node.previous->next) = node.next;
  (node.next == nullptr ? last_ : node.next->previous) = node.previous;
  node.listed = false;
  node.future = nullptr;
  if (node.role == HandleNode::Role::task_step) return true;
  node.drop();
  node.release();
  return true;
}

}  // namespace detail

namespace detail {

void throw_empty_future() {
  throw InvalidStateError("this Future or Task handle is empty: it was moved from, or never assigned");
}

}  // namespace detail

CallbackId AnyFuture::add(detail::HandleNode* node, const char* name) const {
  CallbackId id{detail::Ref<detail::HandleNode>(node)};
  detail::copy_current_context(node->context);
  try {
    state().add_done_callback(*node, name);
  } catch (...) {
    node->release();
    throw;
  }
  return id;
}

bool AnyFuture::remove_done_callback(const CallbackId& id) const {
  return id.node_ && state().remove_callback(*id.node_);
}

EventLoop& AnyFuture::get_loop() const {
  EventLoop* loop = state().loop().owner;
  if (loop == nullptr) {
    throw UsageError(UsageError::Reason::loop_is_closed, "get_loop(): the loop of this future has been destroyed");
  }
  return *loop;
}
std::string AnyFuture::describe() const { return detail::describe(state()); }

}  // namespace coir
