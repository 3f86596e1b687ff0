// SPDX-License-Identifier: MIT
#include <coir/detail/bridge.hpp>

#include <cstdio>

#include <coir/errors.hpp>
#include <coir/sleep.hpp>

#include "bridge_lists.hpp"
#include "loop_core.hpp"

namespace coir::detail {

Bridge::Bridge(LoopCore& loop, const char* kind, Duration timeout, bool prefer_result, SourceLocation where)
    : BridgeBase(loop, kind, {}, where),
      prefer_result_(prefer_result),
      timeout_(timeout),
      inbox_(loop.inbox.get()) {}

Bridge::~Bridge() = default;

Stray Bridge::ending_at(Phase phase) noexcept {
  return phase == Phase::abandoned ? Stray::late : phase == Phase::closed ? Stray::after_close : Stray::twice;
}

Stray Bridge::ending() const noexcept { return ending_at(phase_.load(std::memory_order_acquire)); }

/// What belongs to the loop's thread goes (E3).
[[gnu::always_inline]] inline void Bridge::detach() noexcept {
  concluded_ = true;
  if (rare_) {
    rare_->timer.cancel();
    rare_->timer = {};
  }
  drop_canceller();
  if (phase_.load(std::memory_order_acquire) == Phase::claimed) rare().inbox = loop().inbox;  // F3
  leave_loop();
}

[[gnu::always_inline]] inline void Bridge::conclude() noexcept {
  detach();
  const Ref<BridgeFuture> waiter = std::exchange(waiter_, {});
  waiter->bridge = nullptr;
  if (!waiter->done()) complete(*waiter);
  if (!framed_) loop_lets_go();
}

void Bridge::arrived() noexcept {
  if (on_loop_thread()) {
    phase_.store(Phase::settled, std::memory_order_relaxed);
    return invoke();
  }
  HandleNode::retain();  // E1: the inbox's
  if (!inbox_->push(*this)) {
    count_stray(Stray::after_close);
    HandleNode::release();
  }
  phase_.store(Phase::settled, std::memory_order_release);  // F3
}

void Bridge::owner_gone() noexcept {
  Phase found = Phase::pending;
  if (!through() && phase_.compare_exchange_strong(found, Phase::claimed, std::memory_order_acq_rel,
                                                   std::memory_order_acquire)) {
    std::exception_ptr broken;
    try {
      broken = std::make_exception_ptr(
          BrokenCallback(text() + ": its callback was destroyed without having been called. Call it, or fail() it, on "
                                  "every path of the code that holds it."));
    } catch (...) {
      broken = std::current_exception();
    }
    arrived(std::move(broken));
  }
  let_go();
}

std::optional<Stray> Bridge::ticket_ends() const noexcept {
  const Phase phase = phase_.load(std::memory_order_acquire);
  return phase == Phase::pending ? std::nullopt : std::optional(ending_at(phase));
}

void Bridge::mapper_threw(std::exception_ptr exception) noexcept {
  if (claim()) arrived(std::move(exception));
}

void Bridge::invoke() {
  if (delivered_) return;
  if (concluded_) {  // it was given up between the call on another thread and this
    count_stray(Stray::late);
    failure_ = nullptr;
    return drop_value();
  }
  delivered_ = true;
  // Without a waiter the initiating call is still under way; stop_waiting() goes on by itself.
  if (!in_canceller_ && waiter_) conclude();
}

void Bridge::drop() noexcept {
  if (delivered_) return;
  count_stray(Stray::after_close);
  failure_ = nullptr;
  drop_value();
}

void Bridge::wait_until_deadline(BridgeFuture& waiter) {
  waiter.bridge = this;
  waiter_ = Ref<BridgeFuture>(&waiter);
  if (loop().tracer != nullptr) [[unlikely]] waiter.trace_created();
  if (timeout_ == Duration::max()) return;
  // Gone before this bridge is concluded, so it may point to it.
  rare().timer = loop().owner->call_later(timeout_, [this] { stop_waiting(true, {}); }, "bridge timeout", scheduled_at);
}

void Bridge::wait_with(BridgeFuture& waiter) {
  try {
    wait_until_deadline(waiter);
  } catch (...) {
    give_up(false);
    throw;
  }
}

FrameFuture& Bridge::begin_wait() {
  ::new (static_cast<void*>(frame_future_)) FrameFuture(loop(), *this);
  has_frame_future_ = true;
  try {
    wait_until_deadline(frame_future());
    return frame_future();
  } catch (...) {
    give_up(true);
    throw;
  }
}

/// The API has been asked, and there is no memory to wait with: it is asked to stop, as by a cancellation. `in_frame`:
/// what it was given may be on this task's stack.
void Bridge::give_up(bool in_frame) noexcept {
  if (waiter_) std::exchange(waiter_, {})->bridge = nullptr;
  asked_ = true;
  const Ref<HandleNode> self(this);
  in_canceller_ = true;
  const Cancel answer = ask_canceller();
  in_canceller_ = false;
  if (concluded_) return;
  if (answer == Cancel::will_fire && in_frame) let_fire();
  if (!delivered_) abandon(answer);
}

/// Waits for a callback that will come, without memory: for a future, for the message of a cancellation.
void Bridge::let_fire() noexcept {
  bool was_cancelled = false;
  while (!has_arrived()) {
    try {
      sleep(Duration::zero());
    } catch (const UsageError&) {  // nothing may wait here
      break;
    } catch (...) {
      was_cancelled = true;
    }
  }
  if (was_cancelled) current_task->cancel_again({});
}

void Bridge::run_free() noexcept {
  framed_ = false;
  if (has_arrived()) conclude();
}

FrameFuture::FrameFuture(LoopCore& loop, Bridge& home) noexcept
    : BridgeFuture(loop, home.scheduled_at, home.kind()), home_(home) {
  home.loop_holds();
}

void FrameFuture::operator delete(FrameFuture* it, std::destroying_delete_t) noexcept {
  Bridge& home = it->home_;
  it->~FrameFuture();
  home.loop_lets_go();
}

bool BridgeFuture::cancel(std::string message) {
  if (bridge == nullptr || done()) return FutureState::cancel(std::move(message));
  const Ref<FutureState> self(this);
  return bridge->stop_waiting(false, std::move(message));
}

bool Bridge::stop_waiting(bool timed_out, std::string message) noexcept {
  // A cancellation outranks the deadline, whichever comes first.
  if (ending_ == Ending::none || (ending_ == Ending::timed_out && !timed_out)) {
    ending_ = timed_out ? Ending::timed_out : Ending::cancelled;
    rare().cancel_message = std::move(message);
  }
  if (std::exchange(asked_, true)) return true;
  const Ref<HandleNode> self(this);
  in_canceller_ = true;
  const Cancel answer = ask_canceller();
  in_canceller_ = false;
  if (concluded_) return true;  // by a loop that the canceller closed
  if (delivered_) {
    conclude();
  } else if (answer != Cancel::will_fire) {
    abandon(answer);
    conclude();
  }
  return true;
}

/// False: a call on another thread was faster.
bool Bridge::abandon(Cancel answer) noexcept {
  Phase found = Phase::pending;
  if (!phase_.compare_exchange_strong(found, Phase::abandoned, std::memory_order_acq_rel, std::memory_order_acquire)) {
    return false;
  }
  if (answer == Cancel::stopped) {
    if (revoke_ticket() != TicketEnd::in_use) drop_kept();
  } else {
    list_abandoned();
  }
  return true;
}

void Bridge::complete(BridgeFuture& waiter) noexcept {
  if (delivered_ && (ending_ == Ending::none || preferred())) {
    if (failure_ != nullptr) return waiter.finish(std::exchange(failure_, nullptr));
    if (!framed_) {
      try {
        move_value_to(waiter);
      } catch (...) {
        return waiter.finish(std::current_exception());
      }
    }
    return waiter.finish();
  }
  if (ending_ == Ending::timed_out) return waiter.finish(timeout_error());
  waiter.FutureState::cancel(std::move(rare().cancel_message));
}

std::exception_ptr Bridge::timeout_error() const {
  try {
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g s", std::chrono::duration<double>(timeout_).count());
    return std::make_exception_ptr(TimeoutError(text() + ": no callback came within " + seconds));
  } catch (...) {
    return std::current_exception();
  }
}

/// The frame's reference goes; nearly always it is the last one, and then release() would be a call and a half more.
[[gnu::always_inline]] inline void Bridge::end_frame_future() noexcept {
  FrameFuture& own = frame_future();
  if (own.references() != 1 || own.newest_callback() != nullptr || own.unretrieved()) return own.release();
  own.~FrameFuture();
  loop_lets_go();
}

bool Bridge::leave_frame() noexcept {
  if (!concluded_) {
    Phase found = Phase::pending;
    if (!delivered_ && phase_.compare_exchange_strong(found, Phase::abandoned, std::memory_order_acq_rel,
                                                      std::memory_order_acquire)) {
      // A wait that was left early is a cancellation that nobody asked the library about; else the initiating call
      // threw.
      if (waiter_ || revoke_ticket() != TicketEnd::killed) list_abandoned();
    }
    detach();
    if (waiter_) std::exchange(waiter_, {})->bridge = nullptr;
  }
  if (has_frame_future_) end_frame_future();
  return loop_was_last();
}

void Bridge::loop_closes() noexcept {
  Phase found = Phase::pending;
  phase_.compare_exchange_strong(found, Phase::closed, std::memory_order_acq_rel, std::memory_order_acquire);
  detach();
  if (waiter_) std::exchange(waiter_, {})->bridge = nullptr;
  if (!framed_) loop_lets_go();
}

}  // namespace coir::detail
