// SPDX-License-Identifier: MIT
// A loop as the guest of Qt 5 or 6.
#pragma once

#include <QAbstractEventDispatcher>
#include <QEvent>
#include <QSocketNotifier>
#include <QThread>

#include <chrono>
#include <stdexcept>

#include <coir/event_loop.hpp>
#include <coir/host.hpp>

namespace coir::hosts {

/// While it exists, this thread's Qt event loop, QCoreApplication::exec() for one, runs `loop` between Qt's own events.
///
///     QCoreApplication application(argc, argv);
///     coir::EventLoop loop;
///     coir::hosts::Qt host(loop);
///     auto task = loop.create_task(plain_function_that_awaits);
///     application.exec();
///
/// A QEventLoop inside of a slot, QDialog::exec() for one, runs the loop, too: from a slot, from a callback of the
/// loop, and from a task by on_main(). EventLoop::stop() and an exit that leaves the loop call this thread's
/// QThread::quit(), which on the first thread ends QCoreApplication::exec().
///
/// Errors    as EventLoop::attach; std::logic_error without that dispatcher
/// Threads   This one, which must have a Qt event dispatcher: the application's, a QThread's, or that of a QEventLoop
///           which has been constructed on it.
/// Lifetime  The loop must outlive it. Destroyed on this thread, outside of the loop's callbacks; the loop's tasks are
///           cancelled and run to their end, without Qt, which after exec() could not. detach() does that, too, and
///           throws what left the loop.
class Qt final : public Host {
 public:
  explicit Qt(EventLoop& loop) : notifier_(loop), attachment_(loop, *this) {}

  void detach(Duration limit = std::chrono::seconds(5)) {
    notifier_.setEnabled(false);
    attachment_.detach(limit);
  }

  void stopped() noexcept override { QThread::currentThread()->quit(); }

 private:
  /// Overrides instead of a slot: without Q_OBJECT nobody needs moc, and a direct call is all it takes.
  class Notifier final : public QSocketNotifier {
   public:
    explicit Notifier(EventLoop& loop) : QSocketNotifier(loop.backend_fd(), QSocketNotifier::Read), loop_(loop) {
      if (QAbstractEventDispatcher::instance() != nullptr) return;
      throw std::logic_error("coir::hosts::Qt: Qt has no event dispatcher on this thread, so nothing would ever run. "
                             "Construct the QCoreApplication, or in another thread a QEventLoop, before.");
    }

   protected:
    bool event(QEvent* happened) override {
      if (happened->type() != QEvent::SockAct) return QSocketNotifier::event(happened);
      loop_.pump();
      return true;
    }

   private:
    EventLoop& loop_;
  };

  Notifier notifier_;
  Attachment attachment_;
};

}  // namespace coir::hosts
