// SPDX-License-Identifier: MIT
// What a loop needs only while it is the guest of another one. Private to runtime/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>

#include <coir/clock.hpp>
#include <coir/detail/handle_node.hpp>
#include <coir/host.hpp>

namespace coir::detail {

class Poller;

/// The descriptor that a host watches: an epoll set of two, the poller's own set and a timerfd. It is never waited on
/// here. The poller's set would not do: it has no timers, and making it anew would take it out of the host's.
///
/// U1  Readable exactly if a pump has something to do, or had when the last one ended, up to one pump for nothing.
class GuestDescriptor {
 public:
  /// Errors    std::system_error if no descriptor is left
  explicit GuestDescriptor(const Poller& poller);
  ~GuestDescriptor();
  GuestDescriptor(const GuestDescriptor&) = delete;
  GuestDescriptor& operator=(const GuestDescriptor&) = delete;

  int fd() const noexcept { return outer_fd_; }
  /// Readable at `deadline` at the latest; earlier if that saves a system call. None: no timer.
  void arm(std::optional<TimePoint> deadline, TimePoint now) noexcept;
  /// Whether descriptors and timers count. Without them it is never readable.
  void listen(bool on) noexcept;
  /// After a poll: the poller may have made its set anew.
  void follow() noexcept;

 private:
  bool watch_poller() noexcept;

  const Poller& poller_;
  int outer_fd_ = -1;
  int timer_fd_ = -1;
  std::uint32_t sets_made_ = 0;  // of the poller, when its set was added here
  TimePoint armed_ = TimePoint::max();
};

/// The rest of the state of a guest. It is of the loop and not of one pump, because a host may run a loop of its own
/// inside of our callback and pump from there: that goes on where the outer pump has stopped.
struct Guest {
  explicit Guest(const Poller& poller) : descriptor(poller) {}

  GuestDescriptor descriptor;
  Host* host = nullptr;        // null: not attached
  Host nobody;                 // in the place of a host that was destroyed before detach()
  std::uint64_t turns_before = 0;  // of the loop, at attach(): the same again if no pump came
  NodeQueue round;             // handles of this tick behind LoopCore::current
  std::exception_ptr exit;     // left the loop; nothing runs until detach() has thrown it
  std::size_t pumps = 0;       // on the stack, each inside of the one before
  std::size_t ticks = 0;       // of those, in their tick
  bool signalled = false;      // the wake-up descriptor is readable
  bool held = false;           // what the host was last told
  bool may_call_on_host = false;  // of the pool, before attach()
};

}  // namespace coir::detail
