// SPDX-License-Identifier: MIT
// Tasks, futures, callbacks, and the statements that every program needs.
#include "operations.hpp"

namespace coir::conformance {
namespace {

Returned sleep_op(World& world, const std::string& me, const Node& node) {
  coir::sleep(std::stoi(node.args[0]) * tick);
  world.emit(me, "slept");
  return {};
}

Returned spin(World& world, const std::string& me, const Node& node) {
  const int turns = std::stoi(node.args[0]);
  for (int turn = 1; turn <= turns; ++turn) {
    coir::sleep(Duration::zero());
    world.emit(me, "turn " + std::to_string(turn));
  }
  return {};
}

Returned await_op(World& world, const std::string& me, const Node& node) {
  Slot* const slot = world.slot(node.args[0], me);
  if (slot == nullptr) return {};
  const Typed typed = slot->typed;  // slots move while this task waits
  const std::string value = std::visit([](const auto& future) { return show(coir::await(future)); }, typed);
  world.emit(me, "await " + node.args[0] + " " + value);
  return {};
}

/// Completes a future of ints; asyncio lets a program try it on any.
template <class Complete>
Returned complete(World& world, const std::string& me, const Node& node, Complete complete) {
  Slot* const slot = world.slot(node.args[0], me);
  if (slot == nullptr) return {};
  world.emit_call(me, node.name + " " + node.args[0], [&] {
    std::visit([&](const auto& future) { complete(future, std::stoi(node.args[1])); }, slot->typed);
  });
  return {};
}

Returned set(World& world, const std::string& me, const Node& node) {
  return complete(world, me, node, [](const auto& future, int value) {
    if constexpr (std::is_same_v<decltype(future), const Future<int>&>) future.set_result(value);
  });
}

Returned fail(World& world, const std::string& me, const Node& node) {
  return complete(world, me, node, [](const auto& future, int number) { future.set_exception(Error{number}); });
}

Returned cancel(World& world, const std::string& me, const Node& node) {
  if (Slot* const slot = world.slot(node.args[0], me)) {
    const Slot cancelled = *slot;
    const std::string message = node.args.size() > 1 ? node.args[1] : "";
    const bool result = cancelled.future.cancel(message);
    const std::string given = message.empty() ? "" : "(" + message + ")";
    world.emit(me, "cancel " + node.args[0] + given + " " + show(result) + " " + world.state(cancelled));
  }
  return {};
}

Returned uncancel(World& world, const std::string& me, const Node& node) {
  if (Slot* const slot = world.slot(node.args[0], me); slot != nullptr && slot->task) {
    world.emit(me, "uncancel " + node.args[0] + " " + show(slot->task.uncancel()));
  }
  return {};
}

Returned state(World& world, const std::string& me, const Node& node) {
  if (Slot* const slot = world.slot(node.args[0], me)) {
    world.emit(me, "state " + node.args[0] + " " + world.state(*slot));
  }
  return {};
}

Returned result(World& world, const std::string& me, const Node& node) {
  Slot* const slot = world.slot(node.args[0], me);
  if (slot == nullptr) return {};
  std::string text;
  try {
    text = std::visit([](const auto& future) { return show(future.result()); }, slot->typed);
  } catch (...) {
    text = "raised " + describe_error(std::current_exception());
  }
  world.emit(me, "result " + node.args[0] + " " + text);
  return {};
}

Returned tasks(World& world, const std::string& me, const Node&) {
  world.emit(me, "tasks " + std::to_string(all_tasks(world.loop).size()));
  return {};
}

Returned spawn(World& world, const std::string&, const Node& node) {
  const std::string& name = node.args[0];
  world.set_slot(name, world.loop.create_task([&world, &node] { return body(world, node.args[0], node.blocks[0]); }));
  return {};
}

Returned callback(World& world, const std::string& me, const Node& node) {
  if (Slot* const slot = world.slot(node.args[1], me)) {
    const Slot target = *slot;
    const CallbackId id = target.future.add_done_callback([&world, &node, target] {
      world.emit(node.args[0], "called " + world.state(target));
      run(world, node.args[0], node.blocks[0]);
    });
    world.callbacks[node.args[0]] = {target.future, id};
  }
  return {};
}

Returned uncallback(World& world, const std::string& me, const Node& node) {
  if (const auto found = world.callbacks.find(node.args[0]); found != world.callbacks.end()) {
    const auto& [future, id] = found->second;
    world.emit(me, "uncallback " + node.args[0] + (future.remove_done_callback(id) ? " 1" : " 0"));
  }
  return {};
}

Returned soon(World& world, const std::string&, const Node& node) {
  world.handles[node.args[0]] = world.loop.call_soon([&world, &node] { handler(world, node.args[0], node); });
  return {};
}

Returned later(World& world, const std::string&, const Node& node) {
  world.handles[node.args[0]] =
      world.loop.call_later(*delay(node.args[1]), [&world, &node] { handler(world, node.args[0], node); });
  return {};
}

Returned unhandle(World& world, const std::string& me, const Node& node) {
  if (const auto found = world.handles.find(node.args[0]); found != world.handles.end()) {
    const bool before = found->second.cancelled();
    found->second.cancel();
    world.emit(me, "unhandle " + node.args[0] + " " + show(before) + " " + show(found->second.cancelled()));
  }
  return {};
}

/// Whether `try kind` handles it.
bool handles(const std::string& kind, const std::exception_ptr& error) {
  if (kind == "any") return true;
  try {
    std::rethrow_exception(error);
  } catch (const CancelledError&) {
    return kind == "cancel";
  } catch (...) {
    return kind == "error";
  }
}

Returned try_op(World& world, const std::string& me, const Node& node) {
  try {
    return run(world, me, node.blocks[0]);
  } catch (...) {
    if (!handles(node.args[0], std::current_exception())) throw;
    world.emit(me, "caught " + describe_error(std::current_exception()));
  }
  return run(world, me, node.blocks[1]);
}

Returned finally_op(World& world, const std::string& me, const Node& node) {
  Returned value;
  try {
    value = run(world, me, node.blocks[0]);
  } catch (...) {
    world.emit(me, "leaving " + describe_error(std::current_exception()));
    run(world, me, node.blocks[1]);
    throw;
  }
  run(world, me, node.blocks[1]);
  return value;
}

Returned raise(World&, const std::string&, const Node& node) {
  const std::string& kind = node.args[0];
  if (kind == "cancelled") throw CancelledError(node.args.size() > 1 ? node.args[1] : "");
  if (kind == "timeout") throw TimeoutError();
  throw Error{std::stoi(kind)};
}

Returned return_op(World&, const std::string&, const Node& node) { return std::stoi(node.args[0]); }

Returned shield_op(World& world, const std::string& me, const Node& node) {
  const auto shielded = [&](const auto& inner) {
    const auto outer = coir::shield(inner);
    const bool same = outer == inner;
    if (!same) world.set_slot(node.args[0], outer);
    world.emit(me, "shield " + node.args[0] + (same ? " same" : " new"));
    return same;
  };
  if (node.args[1] == "$") {
    shielded(children(world, me, node, {"$"}).front());
  } else if (Slot* const found = world.slot(node.args[1], me)) {
    const Slot slot = *found;
    if (std::visit(shielded, slot.typed)) world.set_slot(node.args[0], slot);
  }
  return {};
}

const Operations& all_operations() {
  static const Operations operations = [] {
    Operations all;
    add_core(all);
    add_combinators(all);
    add_contexts(all);
    add_groups(all);
    add_locks(all);
    add_queues(all);
    return all;
  }();
  return operations;
}

}  // namespace

void add_core(Operations& operations) {
  operations.insert({{"sleep", sleep_op},   {"spin", spin},         {"await", await_op},         {"set", set},
                     {"fail", fail},        {"cancel", cancel},     {"uncancel", uncancel},      {"state", state},
                     {"result", result},    {"tasks", tasks},       {"spawn", spawn},            {"callback", callback},
                     {"soon", soon},        {"later", later},       {"uncallback", uncallback},  {"unhandle", unhandle},
                     {"try", try_op},       {"finally", finally_op}, {"raise", raise},           {"return", return_op},
                     {"shield", shield_op}});
}

Returned run(World& world, const std::string& me, const Block& block) {
  for (const Node& node : block) {
    const auto found = all_operations().find(node.name);
    if (found == all_operations().end()) throw std::runtime_error("no such operation: " + node.name);
    if (const Returned value = found->second(world, me, node)) return value;
  }
  return {};
}

int body(World& world, const std::string& name, const Block& block) {
  if (world.slot(name, name) == nullptr) {  // nobody else has the task: gather() made it
    world.set_slot(name, Task<int>(detail::Ref<detail::FutureState>(&current_task().state())));
  }
  world.emit(name, "start");
  try {
    const int value = run(world, name, block).value_or(0);
    world.emit(name, "return " + std::to_string(value));
    return value;
  } catch (...) {
    world.emit(name, "raise " + describe_error(std::current_exception()));
    throw;
  }
}

void handler(World& world, const std::string& name, const Node& node) {
  world.emit(name, "called");
  run(world, name, node.blocks[0]);
}

Futures children(World& world, const std::string& me, const Node& node, const std::vector<std::string>& names) {
  Futures made;
  char letter = 'a';
  for (const std::string& name : names) {
    if (name == "$") {
      const Block& block = node.blocks.at(static_cast<std::size_t>(letter - 'a'));
      const std::string child = node.args[0] + letter++;
      made.push_back(ensure_future([&world, child, &block] { return body(world, child, block); }));
    } else if (Slot* const slot = world.slot(name, me)) {
      made.push_back(std::get<Future<int>>(slot->typed));
    }
  }
  return made;
}

std::optional<Duration> delay(const std::string& argument) {
  if (argument == "none") return {};
  return std::stoi(argument) * tick;
}

}  // namespace coir::conformance
