// SPDX-License-Identifier: MIT
// Tasks, and what they wait for, from C.
#include <coir/coir.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include <coir/await.hpp>
#include <coir/sleep.hpp>
#include <coir/threads.hpp>

#include "../io.hpp"
#include "c_loop.hpp"

namespace coir::detail {
namespace {

[[noreturn]] void throw_stale(const char* call, coir_task task) {
  throw CError(COIR_ESTALE, std::string(call) + ": " + std::to_string(task) +
                                " is no task of this loop, or no longer: a handle is used up by one coir_join() or "
                                "coir_detach().");
}

/// One that has a handle, or has not ended.
AnyTask find_task(LoopCore& core, coir_task id, const char* call) {
  if (core.c_side != nullptr) {
    if (const auto found = core.c_side->tasks.find(id); found != core.c_side->tasks.end()) return found->second;
  }
  for (TaskState* task = core.oldest_task; task != nullptr; task = const_cast<TaskState*>(task->newer())) {
    if (task->id() == id) return AnyTask(Ref<FutureState>(task));
  }
  throw_stale(call, id);
}

AnyTask task_or_current(coir_task id, const char* call) {
  if (id != 0) return find_task(require_c_loop(call), id, call);
  TaskState* const task = running_task();
  return AnyTask(Ref<FutureState>(task != nullptr ? task : &require_c_task(call)));
}

std::string end_of(Duration timeout) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%g", std::chrono::duration<double>(timeout).count());
  return std::string(" within ") + seconds + " s";
}

int await_descriptor(int fd, double timeout, bool write) {
  return answer_c([&] {
    const char* const call = write ? "coir_await_writable()" : "coir_await_readable()";
    require_c_task(call);
    const Duration limit = to_timeout(timeout);
    if (!await_ready_within(fd, write ? Poller::write : Poller::read, call, limit)) {
      throw CError(COIR_ETIMEDOUT, std::string(call) + ": descriptor " + std::to_string(fd) + " was not ready" +
                                       end_of(limit) + ".");
    }
    return int{COIR_OK};
  });
}

/// Blocking work and the task that waits for it, which leaves only when nobody uses its memory any more.
enum class Blocking : int { queued, begun, skipped };

int run_blocking(LoopCore& core, coir_fn fn, void* data) {
  auto phase = std::make_shared<std::atomic<Blocking>>(Blocking::queued);
  const auto work = core.owner->run_in_executor([fn, data, phase] {
    Blocking found = Blocking::queued;
    return phase->compare_exchange_strong(found, Blocking::begun) ? fn(data) : 0;
  });
  std::optional<CancelledError> cancelled;
  while (!work.done()) {
    const auto ended = core.owner->create_future<void>();
    ended.state().set_kind("coir_run_blocking");
    work.add_done_callback([ended] {
      if (!ended.done()) ended.set_result();
    });
    try {
      await(ended);
    } catch (const CancelledError& error) {
      Blocking found = Blocking::queued;
      if (phase->compare_exchange_strong(found, Blocking::skipped)) {
        work.cancel();
        throw;
      }
      if (!cancelled) cancelled = error;
    }
  }
  if (cancelled) {
    if (!work.cancelled()) static_cast<void>(work.exception());  // looked at, so that nobody reports it
    throw CancelledError(*cancelled);
  }
  return work.result();
}

}  // namespace
}  // namespace coir::detail

using namespace coir::detail;

extern "C" {

int coir_spawn_at(coir_fn fn, void* data, coir_task* task, const char* file, unsigned line) {
  return answer_c([&] {
    require_c_function(fn != nullptr, "coir_spawn()");
    LoopCore& core = require_c_loop("coir_spawn()");
    const auto made =
        core.owner->create_task([fn, data] { return call_c_body(fn, data); }, coir::SourceLocation{file, line});
    if (task == nullptr) return int{COIR_OK};
    const coir_task id = static_cast<TaskState&>(made.state()).id();
    try {
      CLoop::of(core).tasks.emplace(id, made);
    } catch (...) {
      made.cancel();  // its body is not entered
      throw;
    }
    *task = id;
    return int{COIR_OK};
  });
}

int coir_join(coir_task task, int* result) {
  return answer_c([&] {
    LoopCore& core = require_c_task("coir_join()").loop();
    const auto& tasks = CLoop::of(core).tasks;
    const auto found = tasks.find(task);
    if (found == tasks.end()) throw_stale("coir_join()", task);
    const coir::Task<int> joined = found->second;
    const coir::Outcome<int> outcome = coir::try_await(joined);
    CLoop::of(core).tasks.erase(task);
    if (outcome.has_value()) {
      if (result != nullptr) *result = outcome.value();
    } else if (joined.cancelled()) {
      if (result != nullptr) *result = COIR_ECANCELED;
    } else {
      throw CError(COIR_EFAILED, joined.describe() + " failed: " + coir::describe(outcome.error()));
    }
    return int{COIR_OK};
  });
}

int coir_cancel(coir_task task) {
  return answer_c([&] { return find_task(require_c_loop("coir_cancel()"), task, "coir_cancel()").cancel() ? 1 : 0; });
}

int coir_detach(coir_task task) {
  return answer_c([&] {
    LoopCore& core = require_c_loop("coir_detach()");
    if (CLoop::of(core).tasks.erase(task) == 0) throw_stale("coir_detach()", task);
    return int{COIR_OK};
  });
}

coir_task coir_current_task(void) {
  const TaskState* task = running_task();
  return task != nullptr ? task->id() : 0;
}

int coir_task_get_name(coir_task task, char* buffer, size_t size) {
  return answer_c([&] {
    const std::string name = task_or_current(task, "coir_task_get_name()").get_name();
    if (size != 0) {
      const std::size_t length = std::min(name.size(), size - 1);
      std::memcpy(buffer, name.data(), length);
      buffer[length] = '\0';
    }
    if (name.size() < size) return int{COIR_OK};
    throw CError(COIR_EINVAL, "coir_task_get_name(): the name needs " + std::to_string(name.size() + 1) + " bytes.");
  });
}

int coir_task_set_name(coir_task task, const char* name) {
  return answer_c([&] {
    if (name == nullptr) throw CError(COIR_EINVAL, "coir_task_set_name(): the name is NULL.");
    task_or_current(task, "coir_task_set_name()").set_name(name);
    return int{COIR_OK};
  });
}

int coir_sleep(double seconds) {
  return answer_c([&] {
    require_c_task("coir_sleep()");
    coir::sleep(std::chrono::duration<double>(seconds));
    return int{COIR_OK};
  });
}

int coir_yield(void) {
  return answer_c([&] {
    yield_once(require_c_task("coir_yield()"));
    return int{COIR_OK};
  });
}

int coir_await_readable(int fd, double timeout) { return await_descriptor(fd, timeout, false); }
int coir_await_writable(int fd, double timeout) { return await_descriptor(fd, timeout, true); }

int coir_run_blocking(coir_fn fn, void* data, int* result) {
  return answer_c([&] {
    require_c_function(fn != nullptr, "coir_run_blocking()");
    const int got = run_blocking(require_c_task("coir_run_blocking()").loop(), fn, data);
    if (result != nullptr) *result = got;
    return int{COIR_OK};
  });
}

}  // extern "C"
