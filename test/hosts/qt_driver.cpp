// SPDX-License-Identifier: MIT
#include <coir/hosts/qt.hpp>

#include <QCoreApplication>
#include <QEventLoop>
#include <QThread>
#include <QTimer>

#include "adapter_slot.hpp"
#include "driver.hpp"

namespace coir::test {
namespace {

/// One for the process: Qt takes it ill if it goes and comes back.
QCoreApplication& application() {
  static int count = 1;
  static char name[] = "hosts_test";
  static char* arguments[] = {name, nullptr};
  static QCoreApplication the_application(count, arguments);
  return the_application;
}

class QtDriver final : public HostDriver {
 public:
  QtDriver() : loop_((application(), nullptr)) {}
  void attach(EventLoop& loop) override { adapter_.attach(loop); }
  void detach() override { adapter_.detach(); }
  void drop() override { adapter_.drop(); }
  void run() override {
    if (QThread::currentThread() == application().thread()) {
      QCoreApplication::exec();
    } else {
      loop_.exec();
    }
  }
  void quit() override { QThread::currentThread()->quit(); }
  void call_later(int milliseconds, std::function<void()> fn) override {
    QTimer::singleShot(std::chrono::milliseconds(milliseconds), ::Qt::PreciseTimer, &context_, std::move(fn));
  }
  void run_nested(const std::function<bool()>& done) override {
    QEventLoop nested;
    while (!done()) nested.processEvents(QEventLoop::WaitForMoreEvents);
  }

 private:
  QEventLoop loop_;  // makes an event dispatcher where there is none
  QObject context_;
  AdapterSlot<hosts::Qt> adapter_;
};

}  // namespace

std::unique_ptr<HostDriver> make_qt_host() { return std::make_unique<QtDriver>(); }

}  // namespace coir::test
