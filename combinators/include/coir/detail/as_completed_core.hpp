// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <coir/await.hpp>
#include <coir/clock.hpp>

namespace coir::detail {

/// The untyped half of as_completed(): futures in order of completion.
/// Source    CPython 3.13 tasks.py _AsCompletedIterator
class COIR_EXPORT AsCompletedCore {
 public:
  AsCompletedCore(const std::vector<AnyFuture>& futures, std::optional<Duration> timeout);
  ~AsCompletedCore();
  AsCompletedCore(const AsCompletedCore&) = delete;
  AsCompletedCore& operator=(const AsCompletedCore&) = delete;

  /// Waits for the next one and returns its index in `futures`; none when all have been handed out.
  /// Errors    TimeoutError, once for each future that was not done at the deadline
  std::optional<std::size_t> next();

 private:
  /// Shared with the callbacks: one that is scheduled already runs even if the loop was left by then.
  struct State {
    std::deque<std::size_t> done;      // indices, not handed out yet
    std::size_t unfinished = 0;
    std::size_t expired = 0;           // TimeoutErrors still to be thrown
    std::deque<Future<void>> waiters;  // of each next() that waits: tasks may share the range
    TimerHandle timer;

    void complete(std::size_t index);
    void expire();
    void wake_one();
  };

  std::vector<AnyFuture> watched_;
  std::vector<CallbackId> callbacks_;  // of each
  std::size_t left_;  // not handed out, nor to be handed out to a next() that waits
  std::shared_ptr<State> state_;
};

}  // namespace coir::detail
