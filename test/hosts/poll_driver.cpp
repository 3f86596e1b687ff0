// SPDX-License-Identifier: MIT
#include "adapter_slot.hpp"
#include "driver.hpp"

#include <coir/host.hpp>

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace coir::test {
namespace {

/// A poll() loop with timers, as examples/hosts/poll.cpp has it.
class PollDriver final : public HostDriver, public Host {
 public:
  void attach(EventLoop& loop) override { attachment_.attach(loop, *this); }
  void detach() override { attachment_.detach(); }
  void drop() override { attachment_.drop(); }
  void run() override {
    quit_ = false;
    run_nested([this] { return quit_; });
  }
  void quit() override { quit_ = true; }
  void stopped() noexcept override { quit(); }
  void call_later(int milliseconds, std::function<void()> fn) override {
    timers_.emplace(Clock::now() + std::chrono::milliseconds(milliseconds), std::move(fn));
  }
  void run_nested(const std::function<bool()>& done) override {
    while (!done()) turn();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void turn() {
    int timeout = -1;
    if (!timers_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now());
      timeout = static_cast<int>(std::max(left.count(), std::chrono::milliseconds::rep{0}));
    }
    pollfd watched{attachment_ ? attachment_->loop().backend_fd() : -1, POLLIN, 0};
    if (::poll(&watched, 1, timeout) > 0) attachment_->loop().pump();
    const Clock::time_point now = Clock::now();  // what these add waits for the next turn
    while (!timers_.empty() && timers_.begin()->first <= now) {
      const auto due = timers_.extract(timers_.begin());
      due.mapped()();
    }
  }

  std::multimap<Clock::time_point, std::function<void()>> timers_;
  AdapterSlot<Attachment> attachment_;
  bool quit_ = false;
};

}  // namespace

std::unique_ptr<HostDriver> make_poll_host() { return std::make_unique<PollDriver>(); }

}  // namespace coir::test
