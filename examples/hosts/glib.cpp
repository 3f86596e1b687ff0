// SPDX-License-Identifier: MIT
// GLib as the host: its timeouts go on while a plain function awaits, also while a task shows a modal dialog.
#include <coir/coir.hpp>
#include <coir/hosts/glib.hpp>

#include <chrono>
#include <cstdio>
#include <functional>

using namespace std::chrono_literals;

int ticks = 0;

void plain_function(const coir::Future<void>& third_tick) {
  std::printf("plain function: waits\n");
  coir::await(third_tick);
  std::printf("plain function: goes on after tick %d\n", ticks);
}

// What gtk_dialog_run() does: GLib's loop, inside of a call.
void run_dialog(const coir::Future<void>& answered) {
  std::printf("dialog: opens\n");
  while (!answered.done()) g_main_context_iteration(nullptr, TRUE);
  std::printf("dialog: closes\n");
}

int main() {
  GMainLoop* const main_loop = g_main_loop_new(nullptr, FALSE);
  {
    coir::EventLoop loop;
    coir::hosts::Glib host(loop);

    auto third_tick = loop.create_future<void>();
    std::function<bool()> tick = [&] {
      std::printf("host: tick %d\n", ++ticks);
      if (ticks == 3) third_tick.set_result();
      return ticks < 3;
    };
    g_timeout_add(50, [](gpointer data) -> gboolean { return (*static_cast<std::function<bool()>*>(data))(); }, &tick);
    auto task = loop.create_task([&] {
      auto other = coir::create_task([&] { plain_function(third_tick); });
      coir::sleep(1ms);
      coir::on_main([&] { run_dialog(other); });  // on the thread's stack, while the other task goes on
      g_main_loop_quit(main_loop);
    });
    g_main_loop_run(main_loop);
    task.result();
  }
  g_main_loop_unref(main_loop);
}
