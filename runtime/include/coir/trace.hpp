// SPDX-License-Identifier: MIT
// What a loop does, as it does it.
#pragma once

#include <coir/detail/export.hpp>
#include <coir/future.hpp>
#include <coir/task.hpp>

namespace coir {

/// One event. `task` and `future` are empty where the kind does not say otherwise; `name` is never null.
struct TraceEvent {
  enum class Kind {
    task_created,    ///< task: its first step is queued
    future_created,  ///< future: a sleep, a gather, ...; name: its kind
    callback_added,  ///< future: that it waits for; name: of the callback
    wakeup_added,    ///< task: now listed with `future`
    timer_added,     ///< future: that it will complete, if any; name: of the callback
    step_runs,       ///< task: begins or goes on
    blocks_on,       ///< task: suspends until `future` is done
    yields,          ///< task: suspends for one turn
    wakeup_runs,     ///< task: its wake-up came up, because `future` is done
    unblocks,        ///< task: goes on behind the await of `future`
    task_done,       ///< task: returned, failed or was cancelled
    callback_runs,   ///< name; future: whose callback it is, if any
    future_done,     ///< future: got its value or failure, or was cancelled
    stop,            ///< the loop was asked to stop
  };
  Kind kind;
  AnyTask task = {};
  AnyFuture future = {};
  const char* name = "";
};

/// The name of a kind, as spelt above.
COIR_EXPORT const char* to_string(TraceEvent::Kind kind) noexcept;

/// Gets the events of the loops it is set on, on their threads. Must not throw, suspend, or schedule.
/// Cost      Without a tracer none: loops that are traced or in debug mode take another path.
class COIR_EXPORT Tracer {
 public:
  virtual ~Tracer();
  virtual void on_event(const TraceEvent& event) = 0;
};

}  // namespace coir
