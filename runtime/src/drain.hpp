// SPDX-License-Identifier: MIT
// How a loop ends. Private to runtime/.
#pragma once

#include <optional>
#include <vector>

#include <coir/clock.hpp>
#include <coir/future.hpp>
#include <coir/task.hpp>

namespace coir::detail {

/// Runs the loop until `future` is done; on a virtual clock at most until nothing can happen any more.
void run_until(EventLoop& loop, const AnyFuture& future);

/// Cancels every task and runs the loop until all of them have ended. What they throw instead of CancelledError is
/// reported as "unhandled exception during <occasion>". With a limit, tasks that the others start on the way are
/// cancelled, too, and those that have not ended when it has passed are returned.
/// Errors    what leaves run_forever()
std::vector<AnyTask> cancel_all_tasks(EventLoop& loop, const char* occasion, std::optional<Duration> limit = {});

}  // namespace coir::detail
