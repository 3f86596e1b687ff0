// SPDX-License-Identifier: MIT
// What a loop tells about itself: failures without an owner, events for a tracer, names of futures and callbacks.
#include "loop_core.hpp"

#include <optional>
#include <string>

#include <spdlog/logger.h>

#include "log.hpp"

namespace coir::detail {

void LoopCore::report(const ExceptionContext& context, ContextSlot* of) noexcept {
  if (!exception_handler || owner == nullptr) return default_report(context);
  try {
    std::optional<EnteredContext> entered;
    if (of != nullptr && contexts_in_use.load(std::memory_order_relaxed)) entered.emplace(Ref<ContextObject>(&of->object()));
    const ExceptionHandler handler = exception_handler;  // which may replace itself
    handler(*owner, context);
  } catch (const KeyboardInterrupt&) {
    leaving = std::current_exception();
  } catch (const SystemExit&) {
    leaving = std::current_exception();
  } catch (...) {
    default_report({.message = "Unhandled error in exception handler",
                    .exception = std::current_exception(),
                    .subject = context.message});
    default_report(context);
  }
  if (leaving != nullptr) update_host_only();
}

void LoopCore::default_report(const ExceptionContext& context) noexcept {
  try {
    std::string line = context.message;
    if (!context.subject.empty() && line.find(context.subject) == std::string::npos) line += ": " + context.subject;
    if (context.exception != nullptr) line += ": " + coir::describe(context.exception);
    logger()->error("{}", line);
  } catch (...) {  // out of memory while reporting: nothing is left to report with
  }
}

void LoopCore::trace(TraceEvent::Kind kind, FutureState* task, FutureState* future, const char* name) {
  if (tracer == nullptr) return;
  tracer->on_event({.kind = kind,
                    .task = AnyTask(Ref<FutureState>(task)),
                    .future = AnyFuture(Ref<FutureState>(future)),
                    .name = name != nullptr ? name : ""});
}

std::string LoopCore::describe_running_callback() const {
  if (running_callback != nullptr) return "the callback " + describe(*running_callback);
  return attached() && guest->pumps == 0 ? "a callback of the host" : "the callback of an exception handler";
}

std::string describe(const FutureState& future) {
  std::string text;
  if (future.is_task()) {
    text = "Task '" + static_cast<const TaskState&>(future).name() + "'";
  } else {
    text = future.kind();
  }
  return text + " created at " + to_string(future.where());
}

std::string describe(const HandleNode& node) {
  if (node.role == HandleNode::Role::task_step) return "a step of " + describe(static_cast<const FutureState&>(static_cast<const TaskState&>(node)));
  return (node.name != nullptr ? "'" + std::string(node.name) + "'" : std::string("handle")) + " scheduled at " +
         to_string(node.scheduled_at);
}

}  // namespace coir::detail
