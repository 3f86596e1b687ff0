// SPDX-License-Identifier: MIT
#include <coir/hosts/sd_event.hpp>

#include <ctime>

#include "adapter_slot.hpp"
#include "driver.hpp"

namespace coir::test {
namespace {

class SdEventDriver final : public HostDriver {
 public:
  SdEventDriver() { sd_event_new(&event_); }
  ~SdEventDriver() override {
    adapter_.drop();
    sd_event_unref(event_);
  }
  void attach(EventLoop& loop) override { adapter_.attach(loop, event_); }
  void detach() override { adapter_.detach(); }
  void drop() override { adapter_.drop(); }
  /// Not sd_event_loop(), which after sd_event_exit() can never run again.
  void run() override {
    quit_ = false;
    while (!quit_ && sd_event_get_state(event_) != SD_EVENT_FINISHED) sd_event_run(event_, UINT64_MAX);
  }
  void quit() override { quit_ = true; }
  void call_later(int milliseconds, std::function<void()> fn) override {
    sd_event_source* source = nullptr;
    sd_event_add_time_relative(
        event_, &source, CLOCK_MONOTONIC, static_cast<std::uint64_t>(milliseconds) * 1000, 1,
        [](sd_event_source*, std::uint64_t, void* data) {
          (*static_cast<std::function<void()>*>(data))();
          return 0;
        },
        new std::function<void()>(std::move(fn)));
    sd_event_source_set_destroy_callback(source, [](void* data) { delete static_cast<std::function<void()>*>(data); });
    sd_event_source_set_floating(source, 1);  // owned by the event loop
    sd_event_source_unref(source);
  }
  void run_nested(const std::function<bool()>&) override {}
  bool can_nest() const override { return false; }

 private:
  sd_event* event_ = nullptr;
  bool quit_ = false;
  AdapterSlot<hosts::SdEvent> adapter_;
};

}  // namespace

std::unique_ptr<HostDriver> make_sd_event_host() { return std::make_unique<SdEventDriver>(); }

}  // namespace coir::test
