// SPDX-License-Identifier: MIT
// Programs of the differential test, as program.py writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coir::conformance {

struct Node;
using Block = std::vector<Node>;

/// One statement: an operation, its arguments, and its blocks.
struct Node {
  std::string name;
  std::vector<std::string> args;
  std::vector<Block> blocks;

  /// The arguments from `first` on.
  std::vector<std::string> args_from(std::size_t first) const;
};

/// Errors    std::invalid_argument if it is not well formed
Block parse(std::string_view source);

}  // namespace coir::conformance
