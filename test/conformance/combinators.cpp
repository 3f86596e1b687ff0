// SPDX-License-Identifier: MIT
// gather, wait, as_completed; deadlines.
#include <algorithm>

#include "operations.hpp"

namespace coir::conformance {
namespace {

Returned gather_op(World& world, const std::string& me, const Node& node) {
  const std::string& name = node.args[0];
  const Futures futures = children(world, me, node, node.args_from(2));
  if (node.args[1] == "all") {
    world.set_slot(name, gather(return_exceptions, futures));
  } else {
    world.set_slot(name, gather(futures));
  }
  world.emit(me, "gather " + name + " " + world.state(*world.slot(name, me)));
  return {};
}

Returned wait_op(World& world, const std::string& me, const Node& node) {
  WaitOptions options{.timeout = delay(node.args[1])};
  if (node.args[0] == "first") options.return_when = ReturnWhen::first_completed;
  if (node.args[0] == "exception") options.return_when = ReturnWhen::first_exception;
  std::vector<std::pair<std::string, AnyFuture>> named;
  std::vector<Future<int>> futures;
  for (const std::string& name : node.args_from(2)) {
    const Slot* const slot = world.slot(name, me);
    if (slot == nullptr) continue;
    const bool again = std::any_of(named.begin(), named.end(), [&](const auto& each) { return each.first == name; });
    if (!again) named.emplace_back(name, slot->future);
    // wait() takes futures of one type; what it does with them does not depend on the type.
    futures.push_back(Future<int>(detail::Ref<detail::FutureState>(&slot->future.state())));
  }
  const auto result = wait(futures, options);
  const auto names_in = [&](const std::vector<Future<int>>& set) {
    std::string text;
    for (const auto& [name, future] : named) {
      const bool in = std::any_of(set.begin(), set.end(), [&, &wanted = future](const auto& f) { return f == wanted; });
      if (in) text += (text.empty() ? "" : ",") + name;
    }
    return text;
  };
  world.emit(me, "wait " + names_in(result.done) + " / " + names_in(result.pending));
  return {};
}

Returned each(World& world, const std::string& me, const Node& node) {
  const std::string& name = node.args[0];
  for (const Future<int>& future : as_completed(children(world, me, node, node.args_from(2)), delay(node.args[1]))) {
    const std::string found = world.name_of(future);
    // Without a name: a task that was cancelled before it began.
    const Slot slot = found == "?" ? Slot(Task<int>(detail::Ref<detail::FutureState>(&future.state())))
                                   : *world.slot(found, me);
    world.emit(me, "each " + name + " " + found + " " + world.state(slot));
  }
  world.emit(me, "each " + name + " end");
  return {};
}

/// What a timeout() block runs.
Returned in_timeout(World& world, const std::string& me, const Node& node, Timeout& scope) {
  const std::string& name = node.args[0];
  world.timeouts[name] = &scope;
  const auto left = [&] {
    world.emit(me, "timeout " + name + " " + show(scope.expired()));
    world.timeouts.erase(name);
  };
  Returned value;
  try {
    value = run(world, me, node.blocks[0]);
  } catch (...) {
    left();
    throw;
  }
  left();
  return value;
}

Returned timeout_op(World& world, const std::string& me, const Node& node) {
  const auto block = [&](Timeout& scope) { return in_timeout(world, me, node, scope); };
  const std::optional<Duration> limit = delay(node.args[1]);
  return limit ? timeout(*limit, block) : timeout_at({}, block);
}

std::optional<TimePoint> deadline(World& world, const std::string& argument) {
  const std::optional<Duration> limit = delay(argument);
  if (!limit) return {};
  return world.loop.time() + *limit;
}

Returned timeout_at_op(World& world, const std::string& me, const Node& node) {
  return timeout_at(deadline(world, node.args[1]),
                    [&](Timeout& scope) { return in_timeout(world, me, node, scope); });
}

Returned reschedule(World& world, const std::string& me, const Node& node) {
  const auto found = world.timeouts.find(node.args[0]);
  if (found == world.timeouts.end()) return {};
  std::string result = " ok";
  try {
    found->second->reschedule(deadline(world, node.args[1]));
  } catch (const InvalidStateError&) {
    result = " refused";
  }
  world.emit(me, "reschedule " + node.args[0] + result);
  return {};
}

Returned expired(World& world, const std::string& me, const Node& node) {
  if (const auto found = world.timeouts.find(node.args[0]); found != world.timeouts.end()) {
    world.emit(me, "expired " + node.args[0] + " " + show(found->second->expired()));
  }
  return {};
}

Returned wait_for_op(World& world, const std::string& me, const Node& node) {
  const std::optional<Duration> limit = delay(node.args[1]);
  const auto waited = [&](const auto& awaitable) {
    const auto value = limit ? wait_for(awaitable, *limit) : coir::await(awaitable);
    world.emit(me, "wait_for " + node.args[0] + " " + show(value));
  };
  if (node.args[2] == "$") {
    waited([&] { return run(world, me, node.blocks[0]).value_or(0); });
  } else if (Slot* const slot = world.slot(node.args[2], me)) {
    const Typed typed = slot->typed;
    std::visit(waited, typed);
  }
  return {};
}

}  // namespace

void add_combinators(Operations& operations) {
  operations.insert({{"gather", gather_op},
                     {"wait", wait_op},
                     {"each", each},
                     {"timeout", timeout_op},
                     {"timeout_at", timeout_at_op},
                     {"reschedule", reschedule},
                     {"expired", expired},
                     {"wait_for", wait_for_op}});
}

}  // namespace coir::conformance
