// SPDX-License-Identifier: MIT
// Context variables, and eager start.
#include <utility>

#include "operations.hpp"

namespace coir::conformance {
namespace {

using Variable = ContextVar<int>;

/// v0 has no default; the others have 7. For the whole process: their values are in the contexts.
const Variable& variable(const std::string& name) {
  static const Variable without("v0");
  static const Variable with("v1", 7);
  return name == "v0" ? without : with;
}

/// Starts the block of the node as task `name`.
void start(World& world, const std::string& me, const std::string& name, const Node& node, const TaskOptions& options) {
  const Task<int> task =
      world.loop.create_task([&world, name, &node] { return body(world, name, node.blocks[0]); }, options);
  world.set_slot(name, task);
  if (options.eager_start) world.emit(me, node.name + " " + name + " " + world.state(task));
}

Returned eager(World& world, const std::string& me, const Node& node) {
  start(world, me, node.args[0], node, TaskOptions{.eager_start = true});
  return {};
}

Returned vset(World& world, const std::string&, const Node& node) {
  world.tokens.insert_or_assign(node.args[1],
                                std::pair(node.args[0], variable(node.args[0]).set(std::stoi(node.args[2]))));
  return {};
}

Returned vget(World& world, const std::string& me, const Node& node) {
  world.emit_call(me, "vget " + node.args[0], [&] { return variable(node.args[0]).get(); });
  return {};
}

Returned vreset(World& world, const std::string& me, const Node& node) {
  if (const auto found = world.tokens.find(node.args[0]); found != world.tokens.end()) {
    auto& [name, token] = found->second;
    world.emit_call(me, "vreset " + node.args[0], [&, &key = name, &held = token] { variable(key).reset(held); });
  }
  return {};
}

Returned ctx(World& world, const std::string&, const Node& node) {
  world.contexts.insert_or_assign(node.args[0], copy_context());
  return {};
}

/// The context that an operation names first; null: none of that name (yet).
const Context* named(const World& world, const Node& node) {
  const auto found = world.contexts.find(node.args[0]);
  return found == world.contexts.end() ? nullptr : &found->second;
}

Returned ctx_run(World& world, const std::string& me, const Node& node) {
  if (const Context* const found = named(world, node)) {
    const Context context = *found;
    world.emit_call(me, "ctx_run " + node.args[0], [&] { context.run([&] { run(world, me, node.blocks[0]); }); });
  }
  return {};
}

Returned ctx_spawn(World& world, const std::string& me, const Node& node) {
  if (const Context* const context = named(world, node)) {
    start(world, me, node.args[1], node, TaskOptions{.context = *context});
  }
  return {};
}

Returned ctx_eager(World& world, const std::string& me, const Node& node) {
  if (const Context* const context = named(world, node)) {
    start(world, me, node.args[1], node, TaskOptions{.context = *context, .eager_start = true});
  }
  return {};
}

/// A callback that shares the context. asyncio's call_soon(context=).
auto callback_in(World& world, const Node& node, const Context& context) {
  return [&world, &node, context] { context.run([&] { handler(world, node.args[1], node); }); };
}

Returned ctx_soon(World& world, const std::string&, const Node& node) {
  if (const Context* const context = named(world, node)) {
    world.handles[node.args[1]] = world.loop.call_soon(callback_in(world, node, *context));
  }
  return {};
}

Returned ctx_later(World& world, const std::string&, const Node& node) {
  if (const Context* const context = named(world, node)) {
    world.handles[node.args[1]] = world.loop.call_later(*delay(node.args[2]), callback_in(world, node, *context));
  }
  return {};
}

}  // namespace

void add_contexts(Operations& operations) {
  operations.insert({{"eager", eager},
                     {"vset", vset},
                     {"vget", vget},
                     {"vreset", vreset},
                     {"ctx", ctx},
                     {"ctx_run", ctx_run},
                     {"ctx_spawn", ctx_spawn},
                     {"ctx_eager", ctx_eager},
                     {"ctx_soon", ctx_soon},
                     {"ctx_later", ctx_later}});
}

}  // namespace coir::conformance
