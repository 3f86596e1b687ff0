// SPDX-License-Identifier: MIT
// A loop as the guest of another one: of GLib, Qt, libuv, or a poll() of your own.
#pragma once

#include <chrono>
#include <cstddef>

#include <coir/clock.hpp>
#include <coir/detail/export.hpp>

namespace coir {

class EventLoop;
namespace detail {
class LoopCore;
}

/// How much one EventLoop::pump() may do before the host gets its turn. What one callback or task does in one go is
/// never cut short, and the time is looked at every 16 of them at the latest.
struct PumpBudget {
  std::size_t handles = 1000;
  Duration time = std::chrono::milliseconds(5);
};

struct PumpResult {
  std::size_t ran = 0;  ///< callbacks and steps
  bool more = false;    ///< something is ready still: the descriptor stays readable
  /// When pump() is due if nothing happens before: TimePoint::min() at once, TimePoint::max() never. Only for hosts
  /// that do not watch the descriptor, which knows. Round up.
  TimePoint next_deadline = TimePoint::max();
};

/// What a guest asks of its host: nothing that a host cannot leave out. What it has to do in any case is watch
/// EventLoop::backend_fd() and call EventLoop::pump() while that is readable.
///
/// Threads   Called on the thread of the loop that is attached to it, from inside pump() or a call that schedules.
/// Lifetime  One guest at a time, until its detach(). A host destroyed before that is logged as an error, with what to
///           write instead; the loop stays a guest, which tells nobody when to stay and when to stop.
class COIR_EXPORT Host {
 public:
  Host() noexcept = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host();

  /// True: the guest has tasks, timers, descriptors or ready callbacks, and a host that ends when it has nothing left
  /// to do must go on. False: it has none of them. Called when that changes, first with true, from attach().
  virtual void hold(bool wanted) noexcept;
  /// The guest will not go on by itself: stop() was called, or a SystemExit or KeyboardInterrupt left it. The host
  /// should return to whoever runs it. After stop() the guest goes on if the host does.
  virtual void stopped() noexcept;

 private:
  friend class detail::LoopCore;
  detail::LoopCore* guest_ = nullptr;  // from attach() to detach()
};

/// A loop attached to a host for as long as this exists: what an adapter has as its last member.
class COIR_EXPORT Attachment {
 public:
  /// Errors    as EventLoop::attach
  Attachment(EventLoop& loop, Host& host);
  /// detach(); what that throws goes to the loop's exception handler. Nothing, if an exit() that was called inside of
  /// pump(), or on another thread, destroys it.
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  /// EventLoop::detach(), if that has not happened.
  void detach(Duration limit = std::chrono::seconds(5));
  /// For the host's callback.
  EventLoop& loop() const noexcept { return loop_; }

 private:
  EventLoop& loop_;
  bool attached_ = true;
};

}  // namespace coir
