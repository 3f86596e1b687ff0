// SPDX-License-Identifier: MIT
// Who waits for whom, and where. asyncio.capture_call_graph.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <coir/future.hpp>
#include <coir/stack_frame.hpp>
#include <coir/task.hpp>

namespace coir {

struct FrameCallGraphEntry {
  StackFrame frame;
};

/// A future and what waits for it.
struct FutureCallGraph {
  enum class Omitted {
    nothing,
    shown_before,  ///< this future has a full entry elsewhere in the graph: a second way to it, or a cycle
    too_deep,      ///< a hundred levels are shown
  };
  AnyFuture future;                             ///< empty: capture_call_graph() outside a task
  std::vector<FrameCallGraphEntry> call_stack;  ///< of a task, innermost call first; empty for other futures
  std::vector<FutureCallGraph> awaited_by;      ///< the oldest task first
  Omitted omitted = Omitted::nothing;           ///< why the two above are empty although they need not be
};

/// What `future` waits in, who awaits it, who awaits those, and so on: by default of the running task.
///
/// A task is awaited by the task that awaits it, or by a future in between that others await: a gather, a shield, the
/// wait of wait(), wait_for() and as_completed(). Such futures appear as soon as a task awaits them. The graph is
/// worked out from what tasks wait for at this moment: nothing is recorded while they run, and nothing is left behind
/// when a wait ends, however it ends.
///
/// Shape     `depth` innermost calls of the running task are left out. `limit` calls of each task are kept: the
///           innermost ones, with a negative limit the outermost; 0: none, and no stack is walked.
/// Suspends  never
/// Errors    UsageError: no_running_loop without a future and a loop; wrong_thread if the future's loop runs on another
///           thread
/// Cost      O(tasks of the loop), and get_stack() of each task in the graph
/// Source    CPython 3.14 graph.py capture_call_graph. There every await keeps the edges up to date, and a wait() is
///           left out: what it waits for is awaited by the task.
COIR_EXPORT FutureCallGraph capture_call_graph(const AnyFuture& future = {}, int depth = 0,
                                               std::optional<int> limit = {});

/// The same as text, several lines; empty outside a task without a future.
/// Source    CPython 3.14 graph.py format_call_graph
COIR_EXPORT std::string format_call_graph(const AnyFuture& future = {}, int depth = 0, std::optional<int> limit = {});
COIR_EXPORT std::string format_call_graph(const FutureCallGraph& graph);

/// Writes it to standard output, or to `out`.
/// Source    CPython 3.14 graph.py print_call_graph
COIR_EXPORT void print_call_graph(const AnyFuture& future = {}, int depth = 0, std::optional<int> limit = {});
COIR_EXPORT void print_call_graph(std::ostream& out, const AnyFuture& future = {}, int depth = 0,
                                  std::optional<int> limit = {});

}  // namespace coir
