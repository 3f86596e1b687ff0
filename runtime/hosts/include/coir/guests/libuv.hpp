// SPDX-License-Identifier: MIT
// libuv as the guest of a coir loop.
#pragma once

#include <uv.h>

#include <chrono>

#include <coir/event_loop.hpp>

namespace coir::guests {

/// While it exists, whoever runs `loop` runs `uv`: libuv's callbacks are called between those of the loop, on its
/// stack.
///
///     coir::run([] {
///       coir::guests::Libuv guest(coir::get_running_loop(), uv_default_loop());
///       ...                                     // whatever uses libuv's handles, and tasks that wait for it
///     });
///
/// libuv's own descriptor wakes the loop; what libuv has not told that yet, and its timers, are asked for before each
/// sleep. A callback cannot await: it completes a future, or starts a task.
///
/// Threads   The loop's.
/// Lifetime  Loop and `uv` must outlive it. Handles that are left stay as they are; nobody runs them any more.
/// Cost      A look before each sleep of the loop; two system calls each time that libuv has something to do.
class Libuv {
 public:
  Libuv(EventLoop& loop, uv_loop_t* uv)
      : loop_(loop),
        uv_(uv),
        prepare_(loop.add_prepare([this] { return deadline(); }, "libuv")),
        check_(loop.add_check([this] { check(); }, "libuv")) {
    loop.add_reader(uv_backend_fd(uv), [this] { run(); }, "libuv");
  }
  ~Libuv() {
    check_.cancel();
    prepare_.cancel();
    if (!loop_.is_closed()) loop_.remove_reader(uv_backend_fd(uv_));
  }
  Libuv(const Libuv&) = delete;
  Libuv& operator=(const Libuv&) = delete;

 private:
  TimePoint deadline() {
    due_ = TimePoint::max();
    if (!uv_loop_alive(uv_)) return due_;
    uv_update_time(uv_);  // what the timeout is counted from
    // 0 also if there are handles that its descriptor does not know of: they get there by running.
    const int timeout = uv_backend_timeout(uv_);
    if (timeout >= 0) due_ = loop_.time() + std::chrono::milliseconds(timeout);
    return due_;
  }
  void check() {
    uv_update_time(uv_);  // what timers that a task starts are counted from; the loop may have slept for an hour
    if (loop_.time() >= due_) run();
  }
  void run() {
    due_ = TimePoint::max();
    uv_run(uv_, UV_RUN_NOWAIT);
  }

  EventLoop& loop_;
  uv_loop_t* const uv_;
  TimePoint due_ = TimePoint::min();  // when libuv has something to do that is none of its descriptor
  Handle prepare_;
  Handle check_;
};

}  // namespace coir::guests
