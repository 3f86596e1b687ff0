// SPDX-License-Identifier: MIT
#include <coir/call_graph.hpp>

#include <iostream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "loop_core.hpp"
#include "task_stack.hpp"

namespace coir {
namespace {

using detail::FutureState;
using detail::LoopCore;
using detail::TaskState;

constexpr int max_levels = 100;  // the walk below, and the destructor of what it makes, run on a task's stack

class GraphBuilder {
 public:
  GraphBuilder(const LoopCore& loop, int depth, std::optional<int> limit) : depth_(depth), limit_(limit) {
    for (const TaskState* task = loop.oldest_task; task != nullptr; task = task->newer()) add_edges(*task);
  }

  FutureCallGraph build(const FutureState& future, int level) {
    FutureCallGraph graph{AnyFuture(detail::Ref<FutureState>(const_cast<FutureState*>(&future))), {}, {}};
    if (!shown_.insert(&future).second) {
      graph.omitted = FutureCallGraph::Omitted::shown_before;
    } else if (level == max_levels) {
      graph.omitted = FutureCallGraph::Omitted::too_deep;
    } else {
      if (future.is_task() && limit_ != 0) add_calls(graph);
      if (const auto found = awaited_by_.find(&future); found != awaited_by_.end()) {
        for (const FutureState* awaiting : found->second) graph.awaited_by.push_back(build(*awaiting, level + 1));
      }
    }
    return graph;
  }

 private:
  /// What the task awaits, and what futures that are no tasks await on its behalf.
  void add_edges(const TaskState& task) {
    std::vector<const FutureState*> unvisited{&task};
    while (!unvisited.empty()) {
      const FutureState* const awaiting = unvisited.back();
      unvisited.pop_back();
      awaiting->each_awaited([&](const FutureState& awaited) {
        if (awaited.done()) return;
        auto& known = awaited_by_[&awaited];
        known.push_back(awaiting);
        if (!awaited.is_task() && known.size() == 1) unvisited.push_back(&awaited);
      });
    }
  }
  void add_calls(FutureCallGraph& graph) {
    auto& task = static_cast<TaskState&>(graph.future.state());
    const int skip = &task == detail::current_task ? depth_ : 0;
    for (StackFrame& frame : detail::frames_of(task, limit_, skip)) graph.call_stack.push_back({std::move(frame)});
  }

  const int depth_;
  const std::optional<int> limit_;
  std::unordered_map<const FutureState*, std::vector<const FutureState*>> awaited_by_;
  std::unordered_set<const FutureState*> shown_;
};

void render(const FutureCallGraph& graph, const std::string& indent, std::string& text) {
  text += indent + "* " + graph.future.describe();
  if (graph.omitted == FutureCallGraph::Omitted::shown_before) text += " (shown elsewhere)";
  if (graph.omitted == FutureCallGraph::Omitted::too_deep) text += " ...";
  text += "\n";
  if (!graph.call_stack.empty()) text += indent + "  + Call stack:\n";
  for (const FrameCallGraphEntry& entry : graph.call_stack) text += indent + "  |   " + to_string(entry.frame) + "\n";
  if (!graph.awaited_by.empty()) text += indent + "  + Awaited by:\n";
  for (const FutureCallGraph& awaiting : graph.awaited_by) render(awaiting, indent + "    ", text);
}

}  // namespace

FutureCallGraph capture_call_graph(const AnyFuture& future, int depth, std::optional<int> limit) {
  const AnyFuture of = future ? future : current_task();
  if (!of) {
    detail::require_running_loop("capture_call_graph() without a future");
    return {};
  }
  const LoopCore& loop = of.state().loop();
  detail::require_own_thread(loop, "capture_call_graph()");
  return GraphBuilder(loop, depth, limit).build(of.state(), 0);
}

std::string format_call_graph(const AnyFuture& future, int depth, std::optional<int> limit) {
  return format_call_graph(capture_call_graph(future, depth, limit));
}

std::string format_call_graph(const FutureCallGraph& graph) {
  std::string text;
  if (graph.future) render(graph, "", text);
  return text;
}

void print_call_graph(const AnyFuture& future, int depth, std::optional<int> limit) {
  print_call_graph(std::cout, future, depth, limit);
}

void print_call_graph(std::ostream& out, const AnyFuture& future, int depth, std::optional<int> limit) {
  out << format_call_graph(future, depth, limit) << std::flush;
}

}  // namespace coir
