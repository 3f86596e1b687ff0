// SPDX-License-Identifier: MIT
#include <coir/hosts/libevent.hpp>

#include <list>

#include "adapter_slot.hpp"
#include "driver.hpp"

namespace coir::test {
namespace {

class LibeventDriver final : public HostDriver {
 public:
  ~LibeventDriver() override {
    adapter_.drop();
    event_base_free(base_);
  }
  void attach(EventLoop& loop) override { adapter_.attach(loop, base_); }
  void detach() override { adapter_.detach(); }
  void drop() override { adapter_.drop(); }
  void run() override { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); }
  void quit() override { event_base_loopbreak(base_); }
  void call_later(int milliseconds, std::function<void()> fn) override {
    const timeval delay{0, milliseconds * 1000};
    event_base_once(
        base_, -1, EV_TIMEOUT,
        [](evutil_socket_t, short, void* data) { (*static_cast<std::function<void()>*>(data))(); },
        &timers_.emplace_back(std::move(fn)), &delay);
  }
  void run_nested(const std::function<bool()>&) override {}
  bool can_nest() const override { return false; }

 private:
  event_base* const base_ = event_base_new();
  std::list<std::function<void()>> timers_;  // to the end: who has not fired is nobody else's
  AdapterSlot<hosts::Libevent> adapter_;
};

}  // namespace

std::unique_ptr<HostDriver> make_libevent_host() { return std::make_unique<LibeventDriver>(); }

}  // namespace coir::test
