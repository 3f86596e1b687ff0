// SPDX-License-Identifier: MIT
// Whether coir did what asyncio did.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "interpreter.hpp"

namespace coir::conformance {

/// A deliberate difference. Each is a row of docs/asyncio_map.md.
struct Mask {
  const char* name;
  const char* row;  ///< what the row says
  /// Whether `ours` may stand where asyncio has `theirs`, as the line `line` of the traces.
  bool (*allows)(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours);
};

/// All of them.
const std::vector<Mask>& masks();

struct Comparison {
  std::optional<std::size_t> difference;  ///< the first line that differs beyond the masks
  std::set<std::string> masked;           ///< the masks that were needed before it
};

Comparison compare(const Trace& asyncio, const Trace& coir);

/// The program and both traces, the first different line marked.
std::string explain(const Golden& golden, const Trace& coir, const Comparison& comparison);

}  // namespace coir::conformance
