// SPDX-License-Identifier: MIT
#include <coir/hosts/libuv.hpp>

#include <coir/detail/assert.hpp>

#include "adapter_slot.hpp"
#include "driver.hpp"

namespace coir::test {
namespace {

class LibuvDriver final : public HostDriver {
 public:
  LibuvDriver() { uv_loop_init(&uv_); }
  ~LibuvDriver() override {
    adapter_.drop();
    uv_walk(&uv_, [](uv_handle_t* handle, void*) {
      if (!uv_is_closing(handle)) uv_close(handle, free_timer);
    }, nullptr);
    uv_run(&uv_, UV_RUN_DEFAULT);  // closes what is closing
    COIR_CHECK(uv_loop_close(&uv_) == 0, "the adapter has left a handle behind");
  }
  void attach(EventLoop& loop) override { adapter_.attach(loop, &uv_); }
  void detach() override { adapter_.detach(); }
  void drop() override { adapter_.drop(); }
  void run() override { uv_run(&uv_, UV_RUN_DEFAULT); }
  void quit() override { uv_stop(&uv_); }
  void call_later(int milliseconds, std::function<void()> fn) override {
    auto* timer = new Timer{{}, std::move(fn)};
    uv_timer_init(&uv_, &timer->handle);
    uv_update_time(&uv_);
    uv_timer_start(
        &timer->handle,
        [](uv_timer_t* handle) {
          auto* const due = reinterpret_cast<Timer*>(handle);
          uv_close(reinterpret_cast<uv_handle_t*>(handle), free_timer);
          due->fn();
        },
        static_cast<std::uint64_t>(milliseconds), 0);
  }
  void run_nested(const std::function<bool()>&) override {}
  bool can_nest() const override { return false; }
  bool ends_when_idle() const override { return true; }

 private:
  struct Timer {
    uv_timer_t handle;
    std::function<void()> fn;
  };
  static void free_timer(uv_handle_t* handle) { delete reinterpret_cast<Timer*>(handle); }

  uv_loop_t uv_;
  AdapterSlot<hosts::Libuv> adapter_;
};

}  // namespace

std::unique_ptr<HostDriver> make_libuv_host() { return std::make_unique<LibuvDriver>(); }

}  // namespace coir::test
