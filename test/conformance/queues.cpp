// SPDX-License-Identifier: MIT
// Queues.
#include <type_traits>

#include <coir/lifo_queue.hpp>
#include <coir/priority_queue.hpp>
#include <coir/queue.hpp>

#include "operations.hpp"

namespace coir::conformance {
namespace {

/// Calls it with the queue of that name.
template <class Call>
auto with_queue(World& world, const std::string& name, Call&& call) {
  const auto made = [&]<class Made>(std::type_identity<Made>, std::size_t maxsize) -> Made& {
    return world.thing<Made>(name, [&] { return std::make_shared<Made>(maxsize); });
  };
  if (name == "q3") return call(made(std::type_identity<PriorityQueue<int>>(), 2));
  if (name == "q4") return call(made(std::type_identity<LifoQueue<int>>(), 2));
  const std::size_t maxsize = name == "q0" ? 1 : name == "q1" ? 2 : 0;
  return call(made(std::type_identity<Queue<int>>(), maxsize));
}

Returned put(World& world, const std::string& me, const Node& node) {
  with_queue(world, node.args[0], [&](auto& queue) { queue.put(std::stoi(node.args[1])); });
  world.emit(me, "put " + node.args[0] + " " + node.args[1]);
  return {};
}

Returned get(World& world, const std::string& me, const Node& node) {
  const int item = with_queue(world, node.args[0], [](auto& queue) { return queue.get(); });
  world.emit(me, "get " + node.args[0] + " " + std::to_string(item));
  return {};
}

/// Emits what the call, given the queue, returned.
template <class Call>
Returned emit_call(World& world, const std::string& me, const Node& node, Call call) {
  with_queue(world, node.args[0], [&](auto& queue) {
    world.emit_call(me, node.name + " " + node.args[0], [&] { return call(queue); });
  });
  return {};
}

Returned put_nowait(World& world, const std::string& me, const Node& node) {
  return emit_call(world, me, node, [&](auto& queue) { queue.put_nowait(std::stoi(node.args[1])); });
}

Returned get_nowait(World& world, const std::string& me, const Node& node) {
  return emit_call(world, me, node, [](auto& queue) { return queue.get_nowait(); });
}

Returned task_done(World& world, const std::string& me, const Node& node) {
  return emit_call(world, me, node, [](auto& queue) { queue.task_done(); });
}

Returned join(World& world, const std::string& me, const Node& node) {
  with_queue(world, node.args[0], [](auto& queue) { queue.join(); });
  world.emit(me, "joined " + node.args[0]);
  return {};
}

Returned shutdown(World& world, const std::string&, const Node& node) {
  with_queue(world, node.args[0], [&](auto& queue) { queue.shutdown(node.args[1] == "now"); });
  return {};
}

Returned queue_state(World& world, const std::string& me, const Node& node) {
  with_queue(world, node.args[0], [&](auto& queue) {
    world.emit(me, "queue_state " + node.args[0] + " " + std::to_string(queue.qsize()) + " " + show(queue.empty()) +
                       " " + show(queue.full()));
  });
  return {};
}

}  // namespace

void add_queues(Operations& operations) {
  operations.insert({{"put", put},
                     {"get", get},
                     {"put_nowait", put_nowait},
                     {"get_nowait", get_nowait},
                     {"task_done", task_done},
                     {"join", join},
                     {"shutdown", shutdown},
                     {"queue_state", queue_state}});
}

void emit_queues(World& world) {
  for (const std::string name : {"q0", "q1", "q2", "q3", "q4"}) {
    if (!world.things.contains(name)) continue;
    with_queue(world, name, [&](auto& queue) {
      world.trace.push_back(name + " size=" + std::to_string(queue.qsize()) + " full=" + show(queue.full()));
    });
  }
}

}  // namespace coir::conformance
