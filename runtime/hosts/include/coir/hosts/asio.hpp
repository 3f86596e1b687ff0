// SPDX-License-Identifier: MIT
// A loop as the guest of Boost.Asio.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <chrono>
#include <memory>

#include <coir/event_loop.hpp>
#include <coir/host.hpp>

namespace coir::hosts {

/// While it exists, whoever runs `context` runs `loop` between Asio's own handlers.
///
///     boost::asio::io_context context;
///     coir::EventLoop loop;
///     coir::hosts::Asio host(loop, context);
///     auto task = loop.create_task(plain_function_that_awaits);
///     context.run();
///
/// run() returns when Asio has nothing left to do, and the loop neither: no task, timer, descriptor or executor call. A
/// post from another thread does not keep it; a work guard does, as ever. EventLoop::stop() and an exit that leaves the
/// loop call io_context::stop(). A handler may run the context itself, by run_one() and the like: the loop goes on.
///
/// Errors    as EventLoop::attach; boost::system::system_error
/// Threads   One thread may run the context: this one. All handlers are then on it, and nothing needs a lock.
/// Lifetime  Loop and context must outlive it. Destroyed on this thread, outside of the loop's callbacks; the loop's
///           tasks are cancelled and run to their end, without Asio. detach() does that, too, and throws what left the
///           loop.
class Asio final : public Host {
 public:
  Asio(EventLoop& loop, boost::asio::io_context& context)
      : context_(context), descriptor_(context, loop.backend_fd()), attachment_(loop, *this) {
    watch();
  }
  ~Asio() { unwatch(); }

  void detach(Duration limit = std::chrono::seconds(5)) {
    unwatch();
    attachment_.detach(limit);
  }

  void hold(bool wanted) noexcept override {
    held_ = wanted;
    if (wanted) count();
  }
  void stopped() noexcept override { context_.stop(); }

 private:
  void watch() {
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                           [this, alive = std::weak_ptr<void>(alive_)](const boost::system::error_code& error) {
                             if (alive.expired() || error) return;
                             count();
                             watch();  // first, for callbacks that run the context
                             attachment_.loop().pump();
                             if (!held_) uncount();
                           });
  }
  void unwatch() noexcept {
    if (alive_ == nullptr) return;
    count();
    alive_.reset();
    descriptor_.release();  // the loop closes it
  }
  // Asio counts our wait as work. While nothing holds it that is taken back; but only inside of a handler, which is
  // work itself: at zero Asio stops.
  void count() noexcept {
    if (counted_ || alive_ == nullptr) return;
    context_.get_executor().on_work_started();
    counted_ = true;
  }
  void uncount() noexcept {
    if (!counted_ || alive_ == nullptr) return;
    counted_ = false;
    context_.get_executor().on_work_finished();
  }

  boost::asio::io_context& context_;
  boost::asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<void> alive_ = std::make_shared<int>();  // null once unwatched; a handler may come later still
  bool held_ = false;
  bool counted_ = true;
  Attachment attachment_;
};

}  // namespace coir::hosts
