// SPDX-License-Identifier: MIT
#include <coir/hosts/asio.hpp>

#include <boost/asio/steady_timer.hpp>

#include "adapter_slot.hpp"
#include "driver.hpp"

namespace coir::test {
namespace {

class AsioDriver final : public HostDriver {
 public:
  void attach(EventLoop& loop) override { adapter_.attach(loop, context_); }
  void detach() override { adapter_.detach(); }
  void drop() override { adapter_.drop(); }
  void run() override {
    context_.restart();
    context_.run();
  }
  void quit() override { context_.stop(); }
  void call_later(int milliseconds, std::function<void()> fn) override {
    auto timer = std::make_shared<boost::asio::steady_timer>(context_, std::chrono::milliseconds(milliseconds));
    timer->async_wait([timer, fn = std::move(fn)](const boost::system::error_code&) { fn(); });
  }
  void run_nested(const std::function<bool()>& done) override {
    while (!done()) context_.run_one();
  }
  bool ends_when_idle() const override { return true; }

 private:
  boost::asio::io_context context_;
  AdapterSlot<hosts::Asio> adapter_;
};

}  // namespace

std::unique_ptr<HostDriver> make_asio_host() { return std::make_unique<AsioDriver>(); }

}  // namespace coir::test
