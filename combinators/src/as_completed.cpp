// SPDX-License-Identifier: MIT
#include <coir/as_completed.hpp>

#include <utility>

#include <coir/detail/distinct.hpp>
#include <coir/errors.hpp>

#include "watch.hpp"

namespace coir::detail {

void AsCompletedCore::State::wake_one() {
  while (!waiters.empty()) {
    const Future<void> waiter = std::move(waiters.front());
    waiters.pop_front();
    if (waiter.done()) continue;  // its task was cancelled
    return waiter.set_result();
  }
}

void AsCompletedCore::State::complete(std::size_t index) {
  if (unfinished == 0) return;  // the deadline was here first
  done.push_back(index);
  if (--unfinished == 0) timer.cancel();
  wake_one();
}

void AsCompletedCore::State::expire() {
  expired = std::exchange(unfinished, 0);
  for (std::size_t i = 0; i < expired; ++i) wake_one();
}

AsCompletedCore::AsCompletedCore(const std::vector<AnyFuture>& futures, std::optional<Duration> timeout)
    : state_(std::make_shared<State>()) {
  require_task("as_completed()");
  const std::vector<std::size_t> first = first_occurrences(futures);
  watched_.reserve(futures.size());
  callbacks_.reserve(futures.size());
  for (std::size_t i = 0; i < futures.size(); ++i) {
    if (first[i] != i) continue;
    watched_.push_back(futures[i]);
    callbacks_.push_back(
        futures[i].add_done_callback([state = state_, i] { state->complete(i); }, "as_completed"));
  }
  left_ = state_->unfinished = watched_.size();
  if (left_ != 0 && timeout) {
    state_->timer = get_running_loop().call_later(*timeout, [state = state_] { state->expire(); }, "as_completed");
  }
}

AsCompletedCore::~AsCompletedCore() {
  state_->timer.cancel();
  state_->unfinished = 0;
  for (std::size_t i = 0; i < watched_.size(); ++i) watched_[i].remove_done_callback(callbacks_[i]);
}

std::optional<std::size_t> AsCompletedCore::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  while (state_->done.empty() && state_->expired == 0) {
    const Watch watch("as_completed", watched_);
    const Future<void> waiter = watch.future();
    state_->waiters.push_back(waiter);
    try {
      await(waiter);
    } catch (...) {
      ++left_;
      // Woken and cancelled in the same turn: the wake-up is for the next one.
      if (!waiter.cancelled()) state_->wake_one();
      throw;
    }
  }
  if (state_->done.empty()) {
    --state_->expired;
    throw TimeoutError("as_completed(): the deadline passed before this future was done");
  }
  const std::size_t index = state_->done.front();
  state_->done.pop_front();
  return index;
}

}  // namespace coir::detail
