// SPDX-License-Identifier: MIT
// Runs programs on coir.
//
//   conformance            reads programs from standard input, one a line, and writes their traces
//   conformance --compare  reads programs with asyncio's traces, as in golden/; writes for each "same", "masked" and
//                          the masks, or "different", both traces, and an empty line
#include <iostream>
#include <string>

#include "comparer.hpp"
#include "interpreter.hpp"

using namespace coir::conformance;

namespace {

void compare_all() {
  GoldenReader reader(std::cin);
  Golden golden;
  while (reader.next(golden)) {
    const Trace trace = run_program(golden.program);
    const Comparison comparison = compare(golden.trace, trace);
    if (comparison.difference) {
      std::cout << "different\n" << explain(golden, trace, comparison);
    } else if (comparison.masked.empty()) {
      std::cout << "same";
    } else {
      std::cout << "masked";
      for (const std::string& mask : comparison.masked) std::cout << " " << mask;
    }
    std::cout << "\n" << std::flush;
  }
}

void run_all() {
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    for (const std::string& event : run_program(line)) std::cout << event << "\n";
    std::cout << "\n" << std::flush;
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::ios::sync_with_stdio(false);
  if (count == 2 && std::string(arguments[1]) == "--compare") {
    compare_all();
  } else {
    run_all();
  }
}
