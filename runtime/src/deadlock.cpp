// SPDX-License-Identifier: MIT
#include "deadlock.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <vector>

#include "bridge_lists.hpp"
#include "loop_core.hpp"
#include "sanitizer.hpp"

namespace coir::detail {
namespace {

std::atomic<unsigned> bystanders{0};

/// Follows the first circle of waiting that it comes to.
class CycleSearch {
 public:
  /// From `start` on, unless an earlier search has been there. True: path() is a circle.
  bool from(const FutureState& start) { return visit(start); }
  const std::vector<const FutureState*>& path() const noexcept { return path_; }

 private:
  bool visit(const FutureState& future) {
    if (const auto begun = std::find(path_.begin(), path_.end(), &future); begun != path_.end()) {
      path_.erase(path_.begin(), begun);
      return true;
    }
    if (!seen_.insert(&future).second) return false;
    path_.push_back(&future);
    bool found = false;
    future.each_awaited([&](const FutureState& awaited) { found = found || visit(awaited); });
    if (!found) path_.pop_back();
    return found;
  }

  std::unordered_set<const FutureState*> seen_;
  std::vector<const FutureState*> path_;
};

}  // namespace

std::string describe_wait(const TaskState& task) {
  if (task.waiting_on() == nullptr) return "nothing";
  std::string text = describe(*task.waiting_on());
  task.waiting_on()->each_awaited([&](const FutureState& next) { text += ", that is for " + describe(next); });
  return text;
}

std::string describe_deadlock(const LoopCore& core) {
  std::string text = "deadlock: every task waits, and no timer, descriptor or thread is left that could wake one";
  for (const TaskState* task = core.oldest_task; task != nullptr; task = task->newer()) {
    text += "\n  " + describe(static_cast<const FutureState&>(*task)) + " waits on " + describe_wait(*task);
  }
  text += BridgeLists::describe(core);
  CycleSearch search;
  for (const TaskState* task = core.oldest_task; task != nullptr; task = task->newer()) {
    if (!search.from(*task)) continue;
    text += "\n  in a circle: ";
    for (const FutureState* future : search.path()) text += describe(*future) + " -> ";
    text += describe(*search.path().front());
    break;
  }
  return text;
}

Bystander::Bystander() noexcept { bystanders.fetch_add(1); }

Bystander::~Bystander() { bystanders.fetch_sub(1); }

void Bystander::forget_all() noexcept { bystanders.store(0); }

bool is_only_thread() noexcept {
  const nlink_t threads = (COIR_TSAN ? 2 : 1) + bystanders.load();  // ThreadSanitizer has one of its own
  struct stat tasks {};
  // A folder has one link from its name, one from itself, and one from each folder in it: those are the threads.
  return ::stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink <= 2 + threads;
}

}  // namespace coir::detail
