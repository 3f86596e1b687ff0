// SPDX-License-Identifier: MIT
#include <coir/queue.hpp>

#include <algorithm>
#include <string>

#include <coir/detail/return_by_jump.hpp>

namespace coir::detail {

QueueCore::QueueCore(std::ptrdiff_t maxsize, SourceLocation where) noexcept
    : maxsize_(maxsize),
      getters_("Queue.get()", where),
      putters_("Queue.put()", where),
      joiners_("Queue.join()", where) {}

COIR_RETURN_BY_JUMP bool QueueCore::wait_for_item() {
  while (size_ == 0) {
    if (shut_down_) return false;
    Waiter waiter(getters_);
    try {
      waiter.wait();
    } catch (const CancelledError&) {
      if (!waiter.cancelled()) not_removed();  // Q3: woken and cancelled
      throw;
    }
  }
  return true;
}

COIR_RETURN_BY_JUMP void QueueCore::wait_for_room() {
  while (!shut_down_ && full()) {
    Waiter waiter(putters_);
    try {
      waiter.wait();
    } catch (const CancelledError&) {
      if (!waiter.cancelled()) not_added();  // Q3
      throw;
    }
  }
  if (shut_down_) throw QueueShutDown();
}

void QueueCore::throw_empty() const {
  if (shut_down_) throw QueueShutDown();
  throw QueueEmpty();
}

void QueueCore::throw_full() const {
  if (shut_down_) throw QueueShutDown();
  throw QueueFull();
}

void QueueCore::task_done() {
  if (unfinished_ == 0) {
    throw UsageError(UsageError::Reason::released_too_often,
                     "Queue::task_done() called too many times, of the queue created at " +
                         to_string(getters_.where()) + ": call it once for each item that was got.");
  }
  if (--unfinished_ == 0) joiners_.wake_all();
}

void QueueCore::join() {
  require_task("Queue.join()");
  if (unfinished_ == 0) return;
  Waiter waiter(joiners_);
  waiter.wait(Waiter::Needs::wake_up);  // the queue may go once its work is done
}

void QueueCore::shut_down(std::size_t drained) noexcept {
  shut_down_ = true;
  size_ -= drained;
  unfinished_ -= std::min(drained, unfinished_);
  if (unfinished_ == 0) joiners_.wake_all();
  getters_.wake_all();
  putters_.wake_all();
}

}  // namespace coir::detail
