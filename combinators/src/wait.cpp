// SPDX-License-Identifier: MIT
#include <coir/wait.hpp>

#include <memory>
#include <stdexcept>

#include "watch.hpp"

namespace coir::detail {
namespace {

/// Shared with the callbacks: one that is scheduled already runs even if wait() has left by then.
struct WaitState {
  Future<void> waiter;
  std::size_t left;
  ReturnWhen return_when;

  void release() {
    if (!waiter.done()) waiter.set_result();
  }
  void on_done(FutureState& future) {
    --left;
    if (left == 0 || return_when == ReturnWhen::first_completed) return release();
    if (return_when == ReturnWhen::first_exception && future.failed()) {
      future.mark_retrieved();
      release();
    }
  }
};

}  // namespace

void wait_until(const std::vector<AnyFuture>& distinct, const WaitOptions& options) {
  require_task("wait()");
  if (distinct.empty()) throw std::invalid_argument("wait() needs at least one future");
  EventLoop& loop = get_running_loop();
  for (const AnyFuture& future : distinct) {
    if (&future.state().loop() != &loop.core()) throw_cannot_await(future.state());
  }
  const Watch watch("wait", distinct);
  const auto state = std::make_shared<WaitState>(WaitState{watch.future(), distinct.size(), options.return_when});
  struct Registration {  // undone however wait() is left
    const std::vector<AnyFuture>& futures;
    std::vector<CallbackId> callbacks = {};
    TimerHandle timer = {};
    ~Registration() {
      timer.cancel();
      for (std::size_t i = 0; i < callbacks.size(); ++i) futures[i].remove_done_callback(callbacks[i]);
    }
  } registration{distinct};
  if (options.timeout) registration.timer = loop.call_later(*options.timeout, [state] { state->release(); }, "wait");
  registration.callbacks.reserve(distinct.size());
  for (const AnyFuture& future : distinct) {
    registration.callbacks.push_back(
        future.add_done_callback([state](AnyFuture done) { state->on_done(done.state()); }, "wait"));
  }
  await(state->waiter);
}

}  // namespace coir::detail
