// SPDX-License-Identifier: MIT
#include <coir/timeout.hpp>

namespace coir {

Timeout::Timeout(std::optional<TimePoint> when) : task_(current_task()), cancelling_at_entry_(task_.cancelling()) {
  reschedule(when);
}

// Whichever timer is armed is cancelled before this object goes, so its callback may point to it.
Timeout::Timeout(Duration delay) : task_(current_task()), cancelling_at_entry_(task_.cancelling()) {
  EventLoop& loop = task_.get_loop();
  if (delay > Duration::zero()) {
    delayed_ = loop.call_later(delay, [this] { on_deadline(); }, "timeout");
  } else {
    reschedule(loop.time() + delay);
  }
}

Timeout::~Timeout() { disarm(); }

void Timeout::disarm() {
  delayed_.cancel();
  delayed_ = {};
  handle_.cancel();
  handle_ = {};
}

void Timeout::reschedule(std::optional<TimePoint> when) {
  if (state_ != State::entered) {
    throw InvalidStateError(state_ == State::expiring  ? "Cannot change state of expiring Timeout"
                            : state_ == State::expired ? "Cannot change state of expired Timeout"
                                                       : "Cannot change state of finished Timeout");
  }
  disarm();
  when_ = when;
  if (!when) return;
  EventLoop& loop = task_.get_loop();
  const auto expire = [this] { on_deadline(); };
  handle_ = *when <= loop.time() ? loop.call_soon(expire, "timeout") : loop.call_at(*when, expire, "timeout");
}

void Timeout::on_deadline() {
  task_.cancel();
  state_ = State::expiring;
  when_ = when();
  delayed_ = {};
  handle_ = {};
}

bool Timeout::leave() noexcept {
  disarm();
  if (state_ == State::expiring) {
    state_ = State::expired;
    return task_.uncancel() <= cancelling_at_entry_;
  }
  if (state_ == State::entered) state_ = State::exited;
  return false;
}

}  // namespace coir
