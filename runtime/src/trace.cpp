// SPDX-License-Identifier: MIT
#include <coir/trace.hpp>

namespace coir {

Tracer::~Tracer() = default;

const char* to_string(TraceEvent::Kind kind) noexcept {
  using Kind = TraceEvent::Kind;
  switch (kind) {
    case Kind::task_created: return "task_created";
    case Kind::future_created: return "future_created";
    case Kind::callback_added: return "callback_added";
    case Kind::wakeup_added: return "wakeup_added";
    case Kind::timer_added: return "timer_added";
    case Kind::step_runs: return "step_runs";
    case Kind::blocks_on: return "blocks_on";
    case Kind::yields: return "yields";
    case Kind::wakeup_runs: return "wakeup_runs";
    case Kind::unblocks: return "unblocks";
    case Kind::task_done: return "task_done";
    case Kind::callback_runs: return "callback_runs";
    case Kind::future_done: return "future_done";
    case Kind::stop: return "stop";
  }
  return "unknown";
}

}  // namespace coir
