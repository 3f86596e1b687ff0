// SPDX-License-Identifier: MIT
// A loop as the guest of libuv, and so of Node.js.
#pragma once

#include <uv.h>

#include <chrono>
#include <system_error>
#include <utility>

#include <coir/event_loop.hpp>
#include <coir/host.hpp>

namespace coir::hosts {

/// While it exists, whoever runs `uv` runs `loop` between libuv's own callbacks.
///
///     coir::EventLoop loop;
///     coir::hosts::Libuv host(loop, uv_default_loop());
///     auto task = loop.create_task(plain_function_that_awaits);
///     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
///
/// uv_run() returns when libuv has no active handle left, and the loop has nothing to do: no task, timer, descriptor or
/// executor call. A post from another thread does not keep it. EventLoop::stop() and an exit that leaves the loop call
/// uv_stop(). libuv forbids uv_run() inside of a callback, so there are no nested loops.
///
/// Errors    as EventLoop::attach; std::system_error
/// Threads   The one that runs `uv`: this one.
/// Lifetime  Loop and `uv` must outlive it. Destroyed on this thread, outside of the loop's callbacks; the loop's tasks
///           are cancelled and run to their end, without libuv. detach() does that, too, and throws what left the loop.
///           As every handle of libuv's, ours is gone only after `uv` has run once more: do that before
///           uv_loop_close().
class Libuv final : public Host {
 public:
  Libuv(EventLoop& loop, uv_loop_t* uv) : poll_(uv, loop), attachment_(loop, *this) {}

  void detach(Duration limit = std::chrono::seconds(5)) {
    poll_.close();
    attachment_.detach(limit);
  }

  void hold(bool wanted) noexcept override {
    if (poll_.handle == nullptr) return;
    auto* const handle = reinterpret_cast<uv_handle_t*>(poll_.handle);
    wanted ? uv_ref(handle) : uv_unref(handle);
  }
  void stopped() noexcept override {
    if (poll_.handle != nullptr) uv_stop(poll_.handle->loop);
  }

 private:
  struct Poll {
    Poll(uv_loop_t* uv, EventLoop& loop) : handle(new uv_poll_t) {
      const int fd = loop.backend_fd();
      if (const int error = uv_poll_init(uv, handle, fd); error != 0) {
        delete handle;
        throw std::system_error(-error, std::generic_category(), "uv_poll_init()");
      }
      handle->data = &loop;
      uv_poll_start(handle, UV_READABLE,
                    [](uv_poll_t* poll, int, int) { static_cast<EventLoop*>(poll->data)->pump(); });
    }
    ~Poll() { close(); }
    Poll(const Poll&) = delete;
    Poll& operator=(const Poll&) = delete;
    void close() noexcept {
      if (handle == nullptr) return;
      uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(handle, nullptr)),
               [](uv_handle_t* closed) { delete reinterpret_cast<uv_poll_t*>(closed); });
    }
    uv_poll_t* handle;  // libuv's until it has called back after uv_close()
  };

  Poll poll_;
  Attachment attachment_;
};

}  // namespace coir::hosts
