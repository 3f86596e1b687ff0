// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#include <istream>
#include <memory>

#include <coir/testing.hpp>

#include "operations.hpp"

namespace coir::conformance {

Trace run_program(std::string_view source) {
  const Block block = parse(source);
  auto owned = std::make_unique<World>();
  World& world = *owned;
  world.set_slot("t0", world.loop.create_task([&] { return body(world, "t0", block); }));
  run_until_stalled(world.loop);
  world.emit_end();
  emit_locks(world);
  emit_queues(world);
  Trace trace = std::move(world.trace);
  if (!all_tasks(world.loop).empty()) {
    // The stacks that leak have locals in lines of locks and queues, so those must stay.
    static auto& kept = *new std::vector<std::unique_ptr<World>>;
    world.end_loop();
    kept.push_back(std::move(owned));
  }
  return trace;
}

bool GoldenReader::next(Golden& golden) {
  golden = {};
  std::string line;
  while (std::getline(input_, line)) {
    if (line.empty()) {
      if (!golden.program.empty()) return true;
    } else if (golden.program.empty()) {
      if (line.front() != '#') golden.program = line;
    } else {
      golden.trace.push_back(line);
    }
  }
  return !golden.program.empty();
}

}  // namespace coir::conformance
