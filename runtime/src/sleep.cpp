// SPDX-License-Identifier: MIT
#include <coir/sleep.hpp>

#include <coir/await.hpp>

#include "loop_core.hpp"

namespace coir::detail {
namespace {

/// The future of one sleep and its timer, in one block. The timer's reference counts as one of the future.
class SleepState final : public FutureState, public TimerNode {
 public:
  SleepState(LoopCore& core, Duration duration) noexcept
      : FutureState(core, SourceLocation()), TimerNode(core, duration, SourceLocation()) {
    set_kind("sleep");
    TimerNode::name = "sleep";
    FutureState::retain();
  }

  bool cancel(std::string message) override {
    const bool taken = FutureState::cancel(std::move(message));
    if (timed) {
      TimerNode::loop->timers.remove(*this);
      TimerNode::release();  // the caller holds another reference: it asks this future to cancel
    }
    return taken;
  }
  void invoke() override {
    if (!done()) finish();
  }
  void drop() noexcept override {}
  void destroy() noexcept override { FutureState::release(); }

 private:
  ~SleepState() override = default;
};

/// Errors    std::bad_alloc; the state is released then
void add_timer(LoopCore& core, SleepState& state) {
  auto own = Ref<FutureState>::adopt(&state);
  core.add_timer(state);
  own.leak();
}

}  // namespace

COIR_RETURN_BY_JUMP void sleep_for(Duration duration) {
  TaskState& task = require_task("sleep()");
  if (duration <= Duration::zero()) return yield_once(task);
  LoopCore& core = task.loop();
  core.require_open("sleep()");
  auto* state = new SleepState(core, duration);
  add_timer(core, *state);
  if (core.tracer != nullptr) {
    core.trace(TraceEvent::Kind::future_created, nullptr, state, "sleep");
    core.trace(TraceEvent::Kind::timer_added, nullptr, state, "sleep");
  }
  const auto future = await_value(*state);
}

}  // namespace coir::detail
