// SPDX-License-Identifier: MIT
// A loop as the guest of sd-event, systemd's event loop.
#pragma once

#include <systemd/sd-event.h>

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>

#include <coir/event_loop.hpp>
#include <coir/host.hpp>

namespace coir::hosts {

/// While it exists, whoever runs `event` runs `loop` between the event loop's own sources, at normal priority.
///
///     coir::EventLoop loop;
///     coir::hosts::SdEvent host(loop, event);
///     auto task = loop.create_task(plain_function_that_awaits);
///     sd_event_loop(event);
///
/// sd_event_loop() returns after sd_event_exit(), which EventLoop::stop() and an exit that leaves the loop call, too.
/// sd-event refuses to run inside of a callback, so there are no nested loops.
///
/// Errors    as EventLoop::attach; std::system_error
/// Threads   The one that runs the event loop: this one.
/// Lifetime  The loop must outlive it. Destroyed on this thread, outside of the loop's callbacks; the loop's tasks are
///           cancelled and run to their end, without sd-event. detach() does that, too, and throws what left the loop.
class SdEvent final : public Host {
 public:
  SdEvent(EventLoop& loop, sd_event* event)
      : event_(sd_event_ref(event)), source_(watch(event, loop)), attachment_(loop, *this) {}

  void detach(Duration limit = std::chrono::seconds(5)) {
    source_.reset();
    attachment_.detach(limit);
  }

  void stopped() noexcept override { sd_event_exit(event_.get(), 0); }

 private:
  struct Unref {
    void operator()(sd_event* event) const noexcept { sd_event_unref(event); }
    void operator()(sd_event_source* source) const noexcept { sd_event_source_disable_unref(source); }
  };

  static sd_event_source* watch(sd_event* event, EventLoop& loop) {
    const auto pump = [](sd_event_source*, int, std::uint32_t, void* data) {
      static_cast<EventLoop*>(data)->pump();
      return 0;
    };
    sd_event_source* source = nullptr;
    const int error = sd_event_add_io(event, &source, loop.backend_fd(), EPOLLIN, pump, &loop);
    if (error < 0) throw std::system_error(-error, std::generic_category(), "sd_event_add_io()");
    return source;
  }

  std::unique_ptr<sd_event, Unref> event_;
  std::unique_ptr<sd_event_source, Unref> source_;
  Attachment attachment_;
};

}  // namespace coir::hosts
