// SPDX-License-Identifier: MIT
#include <coir/testing.hpp>

#include <string>

#include "deadlock.hpp"
#include "loop_core.hpp"
#include "stop_when_done.hpp"

namespace coir {

bool VirtualClock::jump_to(TimePoint deadline) {
  if (deadline > now_) now_ = deadline;
  return true;
}

bool run_until_stalled(EventLoop& loop) {
  detail::LoopCore& core = loop.core_for("run_until_stalled()");
  if (!core.clock.is_virtual()) {
    throw UsageError(UsageError::Reason::stopped_early,
                     "run_until_stalled() needs a loop with a VirtualClock: LoopOptions{.clock = &clock}");
  }
  core.stop_when_stalled = true;
  core.stalled = false;
  struct Reset {
    detail::LoopCore& core;
    ~Reset() { core.stop_when_stalled = false; }
  } const reset{core};
  loop.run_forever();
  return core.stalled;
}

namespace detail {

void run_main_virtual(EventLoop& loop, const AnyFuture& main) {
  const StopWhenDone stop_when_done(loop, main);
  const bool stalled = run_until_stalled(loop);
  if (main.done()) return;
  if (!stalled) {
    throw UsageError(UsageError::Reason::stopped_early, "run_virtual(): Event loop stopped before Future completed.");
  }
  throw DeadlockError(describe_deadlock(loop.core()));
}

void require_no_running_loop(const char* call) {
  if (running_loop == nullptr) return;
  throw UsageError(UsageError::Reason::loop_is_running,
                   std::string(call) + ": Cannot run the event loop while another loop is running on this thread. Call it "
                                       "outside of tasks and callbacks.");
}

}  // namespace detail
}  // namespace coir
