// SPDX-License-Identifier: MIT
// At most so many at once.
#pragma once

#include <coir/await.hpp>

#include <deque>

namespace linkcheck {

/// A counting semaphore of the loop, first come first served, made of nothing but futures.
class Limiter {
 public:
  explicit Limiter(unsigned slots) : free_(slots) {}

  /// Holds one slot. The constructor suspends until there is one.
  class Slot {
   public:
    explicit Slot(Limiter& limiter) : limiter_(limiter) { limiter_.acquire(); }
    ~Slot() { limiter_.release(); }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

   private:
    Limiter& limiter_;
  };

 private:
  void acquire() {
    if (free_ > 0) {
      --free_;
      return;
    }
    const auto turn = coir::get_running_loop().create_future<void>();
    waiting_.push_back(turn);
    try {
      coir::await(turn);
    } catch (...) {
      // Cancelled in the very turn in which release() handed over the slot: pass it on, or it is lost.
      if (!turn.cancelled()) release();
      throw;
    }
  }
  void release() {
    // Hands the slot over rather than freeing it, so that nobody who comes later gets in between.
    while (!waiting_.empty()) {
      const auto next = waiting_.front();
      waiting_.pop_front();
      if (!next.done()) return next.set_result();
    }
    ++free_;
  }

  unsigned free_;
  std::deque<coir::Future<void>> waiting_;  // cancelled ones stay until their turn comes
};

}  // namespace linkcheck
