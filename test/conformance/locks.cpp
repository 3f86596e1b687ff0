// SPDX-License-Identifier: MIT
// Locks, events, conditions, semaphores, barriers.
#include <coir/barrier.hpp>
#include <coir/condition.hpp>
#include <coir/event.hpp>
#include <coir/lock.hpp>
#include <coir/semaphore.hpp>

#include "operations.hpp"

namespace coir::conformance {
namespace {

Lock& lock(World& world, const std::string& name) {
  return world.thing<Lock>(name, [] { return std::make_shared<Lock>(); });
}

Condition& condition(World& world, const std::string& name) {
  return world.thing<Condition>(name, [&] {
    return name == "c1" ? std::make_shared<Condition>(lock(world, "l0")) : std::make_shared<Condition>();
  });
}

Semaphore& semaphore(World& world, const std::string& name) {
  return world.thing<Semaphore>(name, [&]() -> std::shared_ptr<Semaphore> {
    if (name == "m2") return std::make_shared<BoundedSemaphore>(1);
    return std::make_shared<Semaphore>(name == "m0" ? 1 : 2);
  });
}

Event& event(World& world, const std::string& name) {
  return world.thing<Event>(name, [] { return std::make_shared<Event>(); });
}

Barrier& barrier(World& world, const std::string& name) {
  return world.thing<Barrier>(name, [&] { return std::make_shared<Barrier>(name == "b0" ? 2 : 3); });
}

/// Calls it with what can be acquired and released.
template <class Call>
auto with_lock(World& world, const std::string& name, Call&& call) {
  if (name[0] == 'l') return call(lock(world, name));
  if (name[0] == 'c') return call(condition(world, name));
  return call(semaphore(world, name));
}

Returned acquire(World& world, const std::string& me, const Node& node) {
  with_lock(world, node.args[0], [](auto& made) { made.acquire(); });
  world.emit(me, "acquired " + node.args[0]);
  return {};
}

Returned release(World& world, const std::string& me, const Node& node) {
  with_lock(world, node.args[0], [&](auto& made) {
    world.emit_call(me, "release " + node.args[0], [&] { made.release(); });
  });
  return {};
}

Returned locked(World& world, const std::string& me, const Node& node) {
  with_lock(world, node.args[0], [&](auto& made) {
    world.emit(me, "locked " + node.args[0] + " " + show(made.locked()));
  });
  return {};
}

Returned with_op(World& world, const std::string& me, const Node& node) {
  return with_lock(world, node.args[0], [&](auto& made) {
    made.acquire();
    Returned value;
    try {
      world.emit(me, "with " + node.args[0]);
      value = run(world, me, node.blocks[0]);
    } catch (...) {
      made.release();  // its error takes the place of the other, as in Python
      throw;
    }
    made.release();
    world.emit(me, "without " + node.args[0]);
    return value;
  });
}

Returned event_wait(World& world, const std::string& me, const Node& node) {
  event(world, node.args[0]).wait();
  world.emit(me, "event " + node.args[0]);
  return {};
}

Returned event_set(World& world, const std::string&, const Node& node) {
  event(world, node.args[0]).set();
  return {};
}

Returned event_clear(World& world, const std::string&, const Node& node) {
  event(world, node.args[0]).clear();
  return {};
}

Returned event_is_set(World& world, const std::string& me, const Node& node) {
  world.emit(me, "event_is_set " + node.args[0] + " " + show(event(world, node.args[0]).is_set()));
  return {};
}

Returned condition_wait(World& world, const std::string& me, const Node& node) {
  condition(world, node.args[0]).wait();
  world.emit(me, "notified " + node.args[0]);
  return {};
}

Returned condition_wait_for(World& world, const std::string& me, const Node& node) {
  const int least = std::stoi(node.args[1]);
  condition(world, node.args[0]).wait_for([&] { return world.inputs[node.args[0]] >= least; });
  world.emit(me, "condition " + node.args[0]);
  return {};
}

Returned condition_input(World& world, const std::string&, const Node& node) {
  ++world.inputs[node.args[0]];
  return {};
}

Returned notify(World& world, const std::string& me, const Node& node) {
  world.emit_call(me, "notify " + node.args[0],
                  [&] { condition(world, node.args[0]).notify(std::stoi(node.args[1])); });
  return {};
}

Returned notify_all(World& world, const std::string& me, const Node& node) {
  world.emit_call(me, "notify_all " + node.args[0], [&] { condition(world, node.args[0]).notify_all(); });
  return {};
}

Returned barrier_wait(World& world, const std::string& me, const Node& node) {
  const std::size_t index = barrier(world, node.args[0]).wait();
  world.emit(me, "barrier " + node.args[0] + " " + std::to_string(index));
  return {};
}

Returned barrier_reset(World& world, const std::string&, const Node& node) {
  barrier(world, node.args[0]).reset();
  return {};
}

Returned barrier_abort(World& world, const std::string&, const Node& node) {
  barrier(world, node.args[0]).abort();
  return {};
}

Returned barrier_state(World& world, const std::string& me, const Node& node) {
  const Barrier& made = barrier(world, node.args[0]);
  world.emit(me, "barrier_state " + node.args[0] + " " + std::to_string(made.n_waiting()) + " " + show(made.broken()));
  return {};
}

}  // namespace

void add_locks(Operations& operations) {
  operations.insert({{"acquire", acquire},
                     {"release", release},
                     {"locked", locked},
                     {"with", with_op},
                     {"event_wait", event_wait},
                     {"event_set", event_set},
                     {"event_clear", event_clear},
                     {"event_is_set", event_is_set},
                     {"condition_wait", condition_wait},
                     {"condition_wait_for", condition_wait_for},
                     {"condition_input", condition_input},
                     {"notify", notify},
                     {"notify_all", notify_all},
                     {"barrier_wait", barrier_wait},
                     {"barrier_reset", barrier_reset},
                     {"barrier_abort", barrier_abort},
                     {"barrier_state", barrier_state}});
}

void emit_locks(World& world) {
  const auto emit = [&](const std::string& name, const std::string& text) { world.trace.push_back(name + text); };
  for (const std::string name : {"l0", "l1"}) {
    if (world.things.contains(name)) emit(name, " locked=" + show(lock(world, name).locked()));
  }
  for (const std::string name : {"m0", "m1", "m2"}) {
    if (world.things.contains(name)) emit(name, " value=" + std::to_string(semaphore(world, name).value()));
  }
  for (const std::string name : {"c0", "c1"}) {
    if (world.things.contains(name)) emit(name, " locked=" + show(condition(world, name).locked()));
  }
  for (const std::string name : {"n0", "n1"}) {
    if (world.things.contains(name)) emit(name, " set=" + show(event(world, name).is_set()));
  }
  for (const std::string name : {"b0", "b1"}) {
    if (!world.things.contains(name)) continue;
    const Barrier& made = barrier(world, name);
    emit(name, " waiting=" + std::to_string(made.n_waiting()) + " broken=" + show(made.broken()));
  }
}

}  // namespace coir::conformance
