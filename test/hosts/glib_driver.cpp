// SPDX-License-Identifier: MIT
#include <coir/hosts/glib.hpp>

#include "adapter_slot.hpp"
#include "driver.hpp"

namespace coir::test {
namespace {

class GlibDriver final : public HostDriver {
 public:
  ~GlibDriver() override {
    adapter_.drop();
    g_main_loop_unref(main_loop_);
    g_main_context_unref(context_);
  }
  void attach(EventLoop& loop) override { adapter_.attach(loop, context_, main_loop_); }
  void detach() override { adapter_.detach(); }
  void drop() override { adapter_.drop(); }
  void run() override { g_main_loop_run(main_loop_); }
  void quit() override { g_main_loop_quit(main_loop_); }
  void call_later(int milliseconds, std::function<void()> fn) override {
    GSource* const source = g_timeout_source_new(static_cast<guint>(milliseconds));
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
          (*static_cast<std::function<void()>*>(data))();
          return G_SOURCE_REMOVE;
        },
        new std::function<void()>(std::move(fn)),
        [](gpointer data) { delete static_cast<std::function<void()>*>(data); });
    g_source_attach(source, context_);
    g_source_unref(source);
  }
  void run_nested(const std::function<bool()>& done) override {
    while (!done()) g_main_context_iteration(context_, TRUE);
  }

 private:
  GMainContext* const context_ = g_main_context_new();
  GMainLoop* const main_loop_ = g_main_loop_new(context_, FALSE);
  AdapterSlot<hosts::Glib> adapter_;
};

}  // namespace

std::unique_ptr<HostDriver> make_glib_host() { return std::make_unique<GlibDriver>(); }

}  // namespace coir::test
