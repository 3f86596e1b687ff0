// SPDX-License-Identifier: MIT
// A loop as the guest of libevent.
#pragma once

#include <event2/event.h>

#include <chrono>
#include <memory>
#include <system_error>

#include <coir/event_loop.hpp>
#include <coir/host.hpp>

namespace coir::hosts {

/// While it exists, whoever runs `base` runs `loop` between libevent's own callbacks.
///
///     coir::EventLoop loop;
///     coir::hosts::Libevent host(loop, base);
///     auto task = loop.create_task(plain_function_that_awaits);
///     event_base_dispatch(base);
///
/// event_base_dispatch() returns only if somebody says so, by event_base_loopexit() or event_base_loopbreak(): to
/// libevent a watched descriptor is a reason to stay. EventLoop::stop() and an exit that leaves the loop call
/// event_base_loopbreak(). libevent refuses to run inside of a callback, so there are no nested loops.
///
/// Errors    as EventLoop::attach; std::system_error
/// Threads   The one that runs the base: this one.
/// Lifetime  Loop and base must outlive it. Destroyed on this thread, outside of the loop's callbacks; the loop's tasks
///           are cancelled and run to their end, without libevent. detach() does that, too, and throws what left the
///           loop.
class Libevent final : public Host {
 public:
  Libevent(EventLoop& loop, event_base* base)
      : base_(base),
        event_(event_new(base, loop.backend_fd(), EV_READ | EV_PERSIST,
                         [](evutil_socket_t, short, void* data) { static_cast<EventLoop*>(data)->pump(); }, &loop)),
        attachment_(loop, *this) {
    if (event_ == nullptr || event_add(event_.get(), nullptr) != 0) {
      throw std::system_error(std::make_error_code(std::errc::not_enough_memory), "event_add()");
    }
  }

  void detach(Duration limit = std::chrono::seconds(5)) {
    event_.reset();
    attachment_.detach(limit);
  }

  void stopped() noexcept override { event_base_loopbreak(base_); }

 private:
  struct Free {
    void operator()(event* made) const noexcept { event_free(made); }
  };

  event_base* const base_;
  std::unique_ptr<event, Free> event_;
  Attachment attachment_;
};

}  // namespace coir::hosts
