// SPDX-License-Identifier: MIT
#include <coir/timeout.hpp>

namespace coir {

Timeout::Timeout(std::optional<TimePoint> when) : task_(current_task()), cancelling_at_entry_(task_.cancelling()) {
  reschedule(when);
}

Timeout::~Timeout() { handle_.cancel(); }

void Timeout::reschedule(std::optional<TimePoint> when) {
  if (state_ != State::entered) {
    throw InvalidStateError(state_ == State::expiring  ? "Cannot change state of expiring Timeout"
                            : state_ == State::expired ? "Cannot change state of expired Timeout"
                                                       : "Cannot change state of finished Timeout");
  }
  handle_.cancel();
  handle_ = {};
  when_ = when;
  if (!when) return;
  EventLoop& loop = task_.get_loop();
  // The handle is cancelled before this object goes, so the callback may point to it.
  const auto expire = [this] { on_deadline(); };
  handle_ = *when <= loop.time() ? loop.call_soon(expire, "timeout") : loop.call_at(*when, expire, "timeout");
}

void Timeout::on_deadline() {
  task_.cancel();
  state_ = State::expiring;
  handle_ = {};
}

bool Timeout::leave() noexcept {
  handle_.cancel();
  handle_ = {};
  if (state_ == State::expiring) {
    state_ = State::expired;
    return task_.uncancel() <= cancelling_at_entry_;
  }
  if (state_ == State::entered) state_ = State::exited;
  return false;
}

}  // namespace coir
