// SPDX-License-Identifier: MIT
// A loop as the guest of GLib, and so of GTK, GStreamer and all that runs on a GMainContext.
#pragma once

#include <glib-unix.h>
#include <glib.h>

#include <chrono>
#include <utility>

#include <coir/event_loop.hpp>
#include <coir/host.hpp>

namespace coir::hosts {

/// While it exists, whoever iterates `context` runs `loop` between GLib's own sources, at their default priority.
///
///     coir::EventLoop loop;
///     coir::hosts::Glib host(loop);
///     auto task = loop.create_task(plain_function_that_awaits);
///     g_main_loop_run(main_loop);
///
/// Nested iterations, a modal dialog's for one, run the loop, too: from a callback of GLib's, from one of the loop's,
/// and from a task by on_main(). EventLoop::stop() and an exit that leaves the loop quit `main_loop` if one is given.
///
/// Errors    as EventLoop::attach
/// Threads   The one that iterates the context: this one.
/// Lifetime  Loop and context must outlive it. Destroyed on this thread, outside of the loop's callbacks; the loop's
///           tasks are cancelled and run to their end, without GLib. detach() does that, too, and throws what left the
///           loop.
class Glib final : public Host {
 public:
  /// Null: the default context, and no main loop.
  explicit Glib(EventLoop& loop, GMainContext* context = nullptr, GMainLoop* main_loop = nullptr)
      : main_loop_(main_loop),
        source_(g_unix_fd_source_new(loop.backend_fd(), G_IO_IN), loop),
        attachment_(loop, *this) {
    g_source_attach(source_.source, context);
  }

  void detach(Duration limit = std::chrono::seconds(5)) {
    source_.destroy();
    attachment_.detach(limit);
  }

  void stopped() noexcept override {
    if (main_loop_ != nullptr) g_main_loop_quit(main_loop_);
  }

 private:
  struct Source {
    Source(GSource* made, EventLoop& loop) : source(made) {
      g_source_set_name(source, "coir");
      g_source_set_can_recurse(source, TRUE);  // else a nested iteration would leave it out
      const auto pump = [](gint, GIOCondition, gpointer data) -> gboolean {
        static_cast<EventLoop*>(data)->pump();
        return G_SOURCE_CONTINUE;
      };
      // How GLib wants the callback of a descriptor's source handed over.
      const GUnixFDSourceFunc function = pump;
      g_source_set_callback(source, reinterpret_cast<GSourceFunc>(reinterpret_cast<void*>(function)), &loop, nullptr);
    }
    ~Source() { destroy(); }
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    void destroy() noexcept {
      if (source == nullptr) return;
      g_source_destroy(source);
      g_source_unref(std::exchange(source, nullptr));
    }
    GSource* source;
  };

  GMainLoop* const main_loop_;
  Source source_;
  Attachment attachment_;
};

}  // namespace coir::hosts
