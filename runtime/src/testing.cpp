// SPDX-License-Identifier: MIT
#include <coir/testing.hpp>

#include <string>

#include "loop_core.hpp"
#include "stop_when_done.hpp"

namespace coir {

DeadlockError::~DeadlockError() = default;

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
  std::string text = "deadlock: every task waits, and no timer, descriptor or thread is left that could wake one";
  for (const AnyTask& task : all_tasks(loop)) {
    text += "\n  " + task.describe() + " waits on ";
    text += task.waiting_on() ? task.waiting_on().describe() : "nothing";
  }
  throw DeadlockError(text);
}

}  // namespace detail
}  // namespace coir
