// SPDX-License-Identifier: MIT
// Task groups.
#include <coir/task_group.hpp>

#include "operations.hpp"

namespace coir::conformance {
namespace {

Returned group(World& world, const std::string& me, const Node& node) {
  const std::string& name = node.args[0];
  struct Entry {
    ~Entry() { world.groups.erase(name); }
    World& world;
    const std::string& name;
  };
  Returned value;
  {
    const Entry entry{world, name};
    value = task_group([&](TaskGroup& made) {
      world.groups[name] = &made;
      return run(world, me, node.blocks[0]);
    });
  }
  world.emit(me, "joined " + name);
  return value;
}

Returned group_spawn(World& world, const std::string& me, const Node& node) {
  const auto found = world.groups.find(node.args[0]);
  if (found == world.groups.end()) return {};
  const std::string& name = node.args[1];
  try {
    const Task<int> task =
        found->second->create_task([&world, &node] { return body(world, node.args[1], node.blocks[0]); });
    world.set_slot(name, task);
  } catch (const UsageError&) {
    world.emit(me, "group_spawn " + name + " refused");
  }
  return {};
}

}  // namespace

void add_groups(Operations& operations) { operations.insert({{"group", group}, {"group_spawn", group_spawn}}); }

}  // namespace coir::conformance
