// SPDX-License-Identifier: MIT
// GLib as the guest of a coir loop.
#pragma once

#include <glib.h>

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <coir/event_loop.hpp>

namespace coir::guests {

/// While it exists, whoever runs `loop` iterates `context`: GLib's callbacks are called between those of the loop, on
/// its stack.
///
///     coir::run([] {
///       coir::guests::Glib guest(coir::get_running_loop());
///       ...                                     // whatever uses GLib's sources, and tasks that wait for it
///     });
///
/// A callback cannot await: it completes a future, or starts a task. One that runs a loop of GLib's, as
/// gtk_dialog_run() does, stops the coir loop meanwhile: where there are dialogs, let GLib be the host
/// (<coir/hosts/glib.hpp>).
///
/// Errors    std::logic_error if another thread owns the context; std::system_error
/// Threads   The loop's, which owns the context from here on.
/// Lifetime  Loop and context must outlive it.
/// Cost      Before each sleep of the loop two system calls for each descriptor of GLib's, because nobody tells when
///           one is closed and its number used again; after each poll another one.
class Glib {
 public:
  /// Null: the default context.
  explicit Glib(EventLoop& loop, GMainContext* context = nullptr)
      : loop_(loop),
        context_(context != nullptr ? context : g_main_context_default()),
        set_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (set_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1()");
    if (!g_main_context_acquire(context_)) {
      ::close(set_);
      throw std::logic_error("coir::guests::Glib: another thread iterates this GMainContext");
    }
    prepare_ = loop.add_prepare([this] { return prepare(); }, "glib");
    check_ = loop.add_check([this] { check(); }, "glib");
    // Not the descriptors themselves: a task may wait for one of them, too.
    loop.add_reader(set_, [] {}, "glib");
  }
  ~Glib() {
    check_.cancel();
    prepare_.cancel();
    if (!loop_.is_closed()) loop_.remove_reader(set_);
    ::close(set_);
    g_main_context_release(context_);
  }
  Glib(const Glib&) = delete;
  Glib& operator=(const Glib&) = delete;

 private:
  TimePoint prepare() {
    gint timeout = -1;
    bool ready = g_main_context_prepare(context_, &priority_) != FALSE;
    for (;;) {
      const gint count = g_main_context_query(context_, priority_, &timeout, polled_.data(),
                                              static_cast<gint>(polled_.size()));
      const bool fits = static_cast<std::size_t>(count) <= polled_.size();
      polled_.resize(static_cast<std::size_t>(count));
      if (fits) break;
    }
    prepared_ = true;
    for (const GPollFD& before : watched_) ::epoll_ctl(set_, EPOLL_CTL_DEL, before.fd, nullptr);
    watched_ = polled_;
    for (const GPollFD& now : watched_) ready = !watch(now) || ready;
    if (ready || timeout == 0) return TimePoint::min();
    return timeout < 0 ? TimePoint::max() : loop_.time() + std::chrono::milliseconds(timeout);
  }
  /// False for what is always ready, as far as epoll knows: a file.
  bool watch(const GPollFD& descriptor) const noexcept {
    epoll_event event{};
    event.data.fd = descriptor.fd;
    for (const GPollFD& other : watched_) {  // one may be there twice, for different events
      if (other.fd == descriptor.fd) event.events |= other.events;  // the same bits as poll()'s
    }
    return ::epoll_ctl(set_, EPOLL_CTL_ADD, descriptor.fd, &event) == 0 || errno == EEXIST;
  }
  void check() {
    if (!prepared_) return;
    prepared_ = false;
    g_poll(polled_.data(), static_cast<guint>(polled_.size()), 0);
    if (g_main_context_check(context_, priority_, polled_.data(), static_cast<gint>(polled_.size()))) {
      g_main_context_dispatch(context_);
    }
  }

  EventLoop& loop_;
  GMainContext* const context_;
  const int set_;                  // what GLib polls, for the loop to wake up at
  gint priority_ = 0;
  std::vector<GPollFD> polled_;    // between prepare() and check() as GLib filled it
  std::vector<GPollFD> watched_;   // in set_
  bool prepared_ = false;
  Handle prepare_;
  Handle check_;
};

}  // namespace coir::guests
