// SPDX-License-Identifier: MIT
#include <coir/detail/stream_bridge.hpp>

#include <stdexcept>

#include <coir/errors.hpp>

#include "bridge_lists.hpp"
#include "loop_core.hpp"

namespace coir::detail {

bool StreamWait::cancel(std::string message) {
  if (!deaf_ || done()) return FutureState::cancel(std::move(message));
  noted = std::move(message);
  return true;
}

StreamBridge::StreamBridge(LoopCore& loop, StreamOptions&& options, SourceLocation where)
    : BridgeBase(loop, "stream_from_callback", options.name, options.where.file != nullptr ? options.where : where),
      capacity_(options.capacity),
      overflow_(std::move(options.overflow)),
      inbox_(loop.inbox) {}

StreamBridge::~StreamBridge() {
  if (!in_loop()) return;
  COIR_ASSERT(refs == 2, "E2: a stream that its loop still knows was destroyed");
  leave_loop();  // there was no memory for its queue: the constructor ends here
}

void StreamBridge::owner_gone() noexcept {
  end(nullptr);
  let_go();
}

/// Under mutex_.
Stray StreamBridge::ending_here() const noexcept {
  return loop_closed_ ? Stray::after_close : abandoned_ ? Stray::late : Stray::twice;
}

std::optional<Stray> StreamBridge::ticket_ends() const noexcept {
  const std::scoped_lock lock(mutex_);
  return producer_ended_ || revoked_ ? std::optional(ending_here()) : std::nullopt;
}

Stray StreamBridge::ending() const noexcept {
  const std::scoped_lock lock(mutex_);
  return ending_here();
}

bool StreamBridge::end(std::exception_ptr failure) noexcept {
  std::unique_lock lock(mutex_);
  if (std::exchange(producer_ended_, true)) return false;
  if (!ended_ && !abandoned_) failure_ = std::move(failure);
  ended_ = true;
  changed(std::move(lock));
  return true;
}

StreamBridge::Admission StreamBridge::admit(std::size_t waiting) noexcept {
  if (producer_ended_ || abandoned_) return Admission::refuse;
  if (ended_) {
    ++dropped_;
    return Admission::drop;
  }
  if (waiting < capacity_ || overflow_.policy == OverflowPolicy::pause) return Admission::take;
  ++dropped_;
  switch (overflow_.policy) {
    case OverflowPolicy::drop_oldest: return Admission::replace_oldest;
    case OverflowPolicy::drop_newest: return Admission::drop;
    default: break;
  }
  ended_ = true;
  try {
    failure_ = std::make_exception_ptr(
        StreamOverflow(text() + ": " + std::to_string(capacity_) +
                       " items wait and another one came. Take them faster, raise StreamOptions::capacity, or choose "
                       "what may be lost: drop_oldest, drop_newest, or pause{stop, go} for a producer that can wait."));
  } catch (...) {
    failure_ = std::current_exception();
  }
  return Admission::drop;
}

void StreamBridge::changed(std::unique_lock<std::mutex> lock) noexcept {
  const bool full = overflow_.policy == OverflowPolicy::pause && item_count() >= capacity_;
  if (!waiting_ && !full) return;
  if (on_loop_thread() && !loop_closed_) {
    waiting_ = false;
    lock.unlock();
    return wake();
  }
  if (posted_ || loop_closed_) return;
  posted_ = true;
  lock.unlock();
  HandleNode::retain();  // E1: the inbox's
  if (!inbox_->push(*this)) HandleNode::release();
}

void StreamBridge::invoke() {
  {
    const std::scoped_lock lock(mutex_);
    posted_ = false;
    waiting_ = false;
  }
  wake();
}

void StreamBridge::drop() noexcept {}

/// Loop's thread.
void StreamBridge::wake() noexcept {
  if (const Ref<StreamWait> waiter = std::exchange(waiter_, {}); waiter && !waiter->done()) waiter->finish();
  if (overflow_.policy != OverflowPolicy::pause) return;
  std::unique_lock lock(mutex_);
  const std::size_t waiting = item_count();
  lock.unlock();
  pause_or_go(waiting);
}

void StreamBridge::pause_or_go(std::size_t waiting) noexcept {
  if (overflow_.policy != OverflowPolicy::pause || closed_) return;
  if (paused_ ? waiting > capacity_ / 2 : waiting < capacity_) return;
  paused_ = !paused_;
  const std::function<void()>& hook = paused_ ? overflow_.stop : overflow_.go;
  try {
    if (hook) hook();
  } catch (...) {
    try {
      loop().report({.message = std::string("Exception in pause::") + (paused_ ? "stop" : "go") + " of " + text(),
                     .exception = std::current_exception(),
                     .subject = text()});
    } catch (...) {  // no memory for the words
    }
  }
}

void StreamBridge::taken(std::size_t left) noexcept {
  if (overflow_.policy == OverflowPolicy::pause) pause_or_go(left);
}

void StreamBridge::wait_for_item(std::unique_lock<std::mutex>& lock) {
  if (waiter_) {
    lock.unlock();
    throw UsageError(UsageError::Reason::stream_in_use,
                     text() + ": next() while another task waits in it. Let one task take the items and hand them out, "
                              "or put them into a Queue.");
  }
  waiting_ = true;
  lock.unlock();
  const auto wait = Ref<StreamWait>::adopt(new StreamWait(loop(), scheduled_at, false));
  waiter_ = wait;
  try {
    wait_until_done(*wait);
  } catch (...) {
    if (waiter_ == wait) waiter_ = {};
    throw;
  }
  wait->require_value();
  lock.lock();
}

std::uint64_t StreamBridge::dropped() const noexcept {
  const std::scoped_lock lock(mutex_);
  return dropped_;
}

/// Cancellations that come meanwhile are delivered at the task's next await.
void StreamBridge::wait_for_end() {
  TaskState* const task = current_task;
  if (task == nullptr) return;  // in a callback: nothing may wait
  std::optional<std::string> noted;
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (producer_ended_ || loop_closed_) break;
      waiting_ = true;
    }
    const auto wait = Ref<StreamWait>::adopt(new StreamWait(loop(), scheduled_at, true));
    waiter_ = wait;
    try {
      wait_until_done(*wait);
    } catch (const CancelledError& error) {
      noted = error.message();
    }
    if (wait->noted) noted = std::move(wait->noted);
  }
  if (!noted) return;
  task->uncancel();
  task->cancel(std::move(*noted));
}

void StreamBridge::close() noexcept {
  if (std::exchange(closing_, true)) return;
  if (!in_loop()) return;
  const Ref<HandleNode> self(this);
  Cancel answer = ask_canceller();
  {
    const std::scoped_lock lock(mutex_);
    if (producer_ended_) answer = Cancel::stopped;
  }
  if (answer == Cancel::will_fire) {
    try {
      wait_for_end();
    } catch (...) {  // a task that cannot suspend here leaves the producer alone
    }
  }
  bool ended;
  {
    const std::scoped_lock lock(mutex_);
    ended = producer_ended_;
    abandoned_ = true;
    revoked_ = answer == Cancel::stopped;
    failure_ = nullptr;
  }
  closed_ = true;
  drop_items();
  drop_canceller();
  overflow_.stop = overflow_.go = nullptr;
  if (answer == Cancel::stopped || ended) {
    if (revoke_ticket() != TicketEnd::in_use) drop_kept();
    leave_loop();
  } else if (in_loop()) {
    list_abandoned();
  }
}

void StreamBridge::loop_closes() noexcept {
  {
    const std::scoped_lock lock(mutex_);
    loop_closed_ = abandoned_ = true;
  }
  if (waiter_) waiter_ = {};
  drop_canceller();
  overflow_.stop = overflow_.go = nullptr;
  leave_loop();
}

}  // namespace coir::detail
