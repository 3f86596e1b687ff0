// SPDX-License-Identifier: MIT
#include "interpreter.hpp"

#include <istream>

#include <coir/testing.hpp>

#include "operations.hpp"

namespace coir::conformance {

Trace run_program(std::string_view source) {
  const Block block = parse(source);
  World world;
  world.set_slot("t0", world.loop.create_task([&] { return body(world, "t0", block); }));
  run_until_stalled(world.loop);
  world.emit_end();
  return std::move(world.trace);
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
