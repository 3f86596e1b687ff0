// SPDX-License-Identifier: MIT
// Qt as the host: its timers go on while a plain function awaits, also while a task shows a modal dialog.
#include <coir/coir.hpp>
#include <coir/hosts/qt.hpp>

#include <QCoreApplication>
#include <QEventLoop>
#include <QTimer>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

int ticks = 0;

void plain_function(const coir::Future<void>& third_tick) {
  std::printf("plain function: waits\n");
  coir::await(third_tick);
  std::printf("plain function: goes on after tick %d\n", ticks);
}

// What QDialog::exec() does: Qt's loop, inside of a call.
void run_dialog(const coir::Future<void>& answered) {
  std::printf("dialog: opens\n");
  QEventLoop dialog;
  answered.add_done_callback([&] { dialog.quit(); });
  dialog.exec();
  std::printf("dialog: closes\n");
}

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  coir::EventLoop loop;
  coir::hosts::Qt host(loop);

  auto third_tick = loop.create_future<void>();
  QTimer timer;
  QObject::connect(&timer, &QTimer::timeout, [&] {
    std::printf("host: tick %d\n", ++ticks);
    if (ticks < 3) return;
    third_tick.set_result();
    timer.stop();
  });
  auto task = loop.create_task([&] {
    auto other = coir::create_task([&] { plain_function(third_tick); });
    coir::sleep(0ms);
    coir::on_main([&] {  // on the thread's stack, while the other task goes on
      timer.start(10ms);
      run_dialog(other);
    });
    QCoreApplication::quit();
  });
  application.exec();
  task.result();
}
