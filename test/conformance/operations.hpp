// SPDX-License-Identifier: MIT
// What the operations of a program do, on coir. One source for each kind.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "program.hpp"
#include "world.hpp"

namespace coir::conformance {

/// What a `return` gave; empty: the block goes on.
using Returned = std::optional<int>;
using Operation = Returned (*)(World& world, const std::string& me, const Node& node);
using Operations = std::map<std::string, Operation, std::less<>>;

void add_core(Operations& operations);
void add_combinators(Operations& operations);
void add_contexts(Operations& operations);
void add_groups(Operations& operations);
void add_locks(Operations& operations);
void add_queues(Operations& operations);
/// Appends the state of the locks, or queues, that were used.
void emit_locks(World& world);
void emit_queues(World& world);

/// Runs the statements of a block; in a task or, if none of them suspends, in a callback.
Returned run(World& world, const std::string& me, const Block& block);
/// What a task runs: run(), with its beginning and end in the trace.
int body(World& world, const std::string& name, const Block& block);
/// What a callback runs.
void handler(World& world, const std::string& name, const Node& node);

/// Futures by name; for each `$` the next block, as a task made by ensure_future() at that place.
Futures children(World& world, const std::string& me, const Node& node, const std::vector<std::string>& names);
/// "none": nothing; else so many ticks.
std::optional<Duration> delay(const std::string& argument);

}  // namespace coir::conformance
