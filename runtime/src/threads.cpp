// SPDX-License-Identifier: MIT
#include <coir/threads.hpp>

#include <utility>

namespace coir::detail {

CancelOnStop::CancelOnStop(EventLoop& loop, AnyTask task, std::stop_token stop)
    : task_(std::make_shared<AnyTask>(std::move(task))), on_stop_(std::move(stop), Request{loop, task_}) {}

CancelOnStop::~CancelOnStop() {
  // Not a race with a request under way: what it posts reads the box on this thread, later.
  *task_ = {};
}

void CancelOnStop::Request::operator()() const noexcept {
  try {
    loop.call_soon_threadsafe(
        [task = task] {
          if (*task) task->cancel();
        },
        "request_stop()");
  } catch (const UsageError&) {  // the loop is closed, and no task is left in it
  }
}

}  // namespace coir::detail
