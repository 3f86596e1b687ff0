// SPDX-License-Identifier: MIT
// Programs of the differential test, run on coir.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coir::conformance {

using Trace = std::vector<std::string>;

/// Runs the program on a loop of its own until nothing is left to do; one line for each event, then the end state.
/// Lifetime  A program that ends in a deadlock leaks the stacks of its tasks: cancelling them could wake anything.
/// Errors    std::invalid_argument if the program is not well formed
Trace run_program(std::string_view source);

/// A program with the trace that it should give.
struct Golden {
  std::string program;
  Trace trace;
};

/// Blocks of a program and its trace, separated by empty lines. Lines that begin with # are comments.
class GoldenReader {
 public:
  explicit GoldenReader(std::istream& input) : input_(input) {}
  bool next(Golden& golden);

 private:
  std::istream& input_;
};

}  // namespace coir::conformance
