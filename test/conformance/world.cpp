// SPDX-License-Identifier: MIT
#include "world.hpp"

#include <algorithm>

namespace coir::conformance {

bool SteppingClock::jump_to(TimePoint deadline) {
  const Duration beyond = deadline - now_;
  if (beyond > Duration::zero()) now_ += (beyond + step - Duration(1)) / step * step;
  return true;
}

std::string describe_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const CancelledError& cancelled) {
    return cancelled.message().empty() ? "Cancelled" : "Cancelled(" + cancelled.message() + ")";
  } catch (const Error& raised) {
    return "E" + std::to_string(raised.number);
  } catch (const ExceptionGroup& group) {
    std::string text;
    for (const std::exception_ptr& each : group.exceptions()) text += (text.empty() ? "" : ",") + describe_error(each);
    return "Group[" + text + "]";
  } catch (const TimeoutError&) {
    return "Timeout";
  } catch (const InvalidStateError&) {
    return "InvalidState";
  } catch (const QueueEmpty&) {
    return "QueueEmpty";
  } catch (const QueueFull&) {
    return "QueueFull";
  } catch (const QueueShutDown&) {
    return "QueueShutDown";
  } catch (const BrokenBarrierError&) {
    return "BrokenBarrier";
  } catch (const UsageError& misuse) {
    return misuse.reason() == UsageError::Reason::released_too_often ? "Value" : "Runtime";
  } catch (const std::out_of_range&) {
    return "Lookup";
  } catch (const std::invalid_argument&) {
    return "Value";
  } catch (...) {
    return describe(error);
  }
}

World::World()
    : owned_loop_(std::make_unique<EventLoop>(LoopOptions{.clock = &clock})), loop(*owned_loop_) {
  loop.set_exception_handler([this](EventLoop&, const ExceptionContext& context) {
    if (context.message.starts_with("Exception in callback")) {
      emit("-", "report callback " + describe_error(context.exception));
    } else if (context.message.find("has errored out but its parent") != std::string::npos) {
      emit("-", "report parent " + describe_error(context.exception));
    }
    // Failures that nobody retrieved: state() tells which.
  });
}

void World::emit(const std::string& who, const std::string& event) {
  trace.push_back(std::to_string(clock.steps()) + " " + who + " " + event);
}

Slot* World::slot(const std::string& name, const std::string& me) {
  const std::string& wanted = name == "self" ? me : name;
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const auto& each) { return each.first == wanted; });
  if (found != slots.end()) return &found->second;
  if (wanted.front() != 'f') return nullptr;
  slots.emplace_back(wanted, loop.create_future<int>());
  return &slots.back().second;
}

void World::set_slot(const std::string& name, Slot made) {
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const auto& each) { return each.first == name; });
  if (found == slots.end()) {
    slots.emplace_back(name, std::move(made));
  } else {
    found->second = std::move(made);
  }
}

std::string World::name_of(const AnyFuture& future) const {
  const auto found =
      std::find_if(slots.begin(), slots.end(), [&](const auto& each) { return each.second.future == future; });
  return found == slots.end() ? "?" : found->first;
}

std::string World::state(const Slot& slot) const {
  return describe_slot(slot, false, !slot.future.exception_retrieved());
}

std::string World::describe_slot(const Slot& slot, bool with_value, bool unretrieved) {
  std::string text;
  if (!slot.future.done()) {
    text = "pending";
  } else if (slot.future.cancelled()) {
    text = "cancelled";
  } else {
    const bool failed = slot.future.state().failed();
    text = failed ? "failed" : "done";
    if (with_value && failed) text += "=" + describe_error(slot.future.exception());
    if (with_value && !failed) {
      text += "=" + std::visit([](const auto& future) { return show(future.result()); }, slot.typed);
    }
    if (unretrieved) text += "!";
  }
  const int cancelling = slot.task ? slot.task.cancelling() : 0;
  return cancelling == 0 ? text : text + " c" + std::to_string(cancelling);
}

void World::emit_end() {
  const bool pending = std::any_of(slots.begin(), slots.end(),
                                   [](const auto& each) { return each.second.task && !each.second.future.done(); });
  trace.push_back(pending ? "deadlock" : "end");
  // First: to describe a failure is to retrieve it, and a slot may have two names.
  std::vector<bool> unretrieved;
  for (const auto& each : slots) unretrieved.push_back(!each.second.future.exception_retrieved());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    trace.push_back(slots[i].first + " " + describe_slot(slots[i].second, true, unretrieved[i]));
  }
}

}  // namespace coir::conformance
