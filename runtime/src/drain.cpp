// SPDX-License-Identifier: MIT
#include "drain.hpp"

#include <algorithm>
#include <string>

#include <coir/testing.hpp>

#include "loop_core.hpp"
#include "stop_when_done.hpp"

namespace coir::detail {

void run_until(EventLoop& loop, const AnyFuture& future) {
  const StopWhenDone stop_when_done(loop, future);
  if (loop.core().clock.is_virtual()) {
    run_until_stalled(loop);  // a task that waits for what can never happen must not hang a test
  } else {
    loop.run_forever();
  }
}

namespace {

/// Cancels what there is and runs it to its end, until `late`.
void cancel_present_tasks(EventLoop& loop, const char* occasion, const bool& late) {
  const std::vector<AnyTask> tasks = all_tasks(loop);
  for (const AnyTask& task : tasks) task.cancel();
  for (const AnyTask& task : tasks) {
    while (!task.done() && !late) {
      run_until(loop, task);
      if (!task.done() && loop.core().stalled) break;
    }
  }
  for (const AnyTask& task : tasks) {
    if (!task.done() || task.cancelled()) continue;
    if (const std::exception_ptr exception = task.exception()) {
      loop.call_exception_handler({.message = std::string("unhandled exception during ") + occasion,
                                   .exception = exception,
                                   .subject = task.describe()});
    }
  }
}

}  // namespace

std::vector<AnyTask> cancel_all_tasks(EventLoop& loop, const char* occasion, std::optional<Duration> limit) {
  bool late = false;
  struct Timer {
    TimerHandle handle;
    ~Timer() { handle.cancel(); }
  } const timer{limit ? loop.call_later(*limit, [&] {
                    late = true;
                    loop.stop();
                  }, "the limit of draining") : TimerHandle()};
  do {
    cancel_present_tasks(loop, occasion, late);
  } while (limit && !late && loop.core().task_count != 0);
  return all_tasks(loop);
}

}  // namespace coir::detail
