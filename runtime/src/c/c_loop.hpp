// SPDX-License-Identifier: MIT
// What <coir/coir.h> keeps for a loop, and how its functions end. Private to runtime/.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include <coir/coir.h>
#include <coir/task.hpp>

#include "../loop_core.hpp"

namespace coir::detail {

class CCompletion;

/// A failure with the code that C gets.
class CError final : public std::runtime_error {
 public:
  CError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ~CError() override;
  int code() const noexcept { return code_; }

 private:
  int code_;
};

/// The code of the exception that is handled; its text is what coir_last_error() says from here on.
int code_of_current_exception() noexcept;

/// What every function of coir.h consists of: nothing that fn() throws gets past it.
template <class Fn>
int answer_c(Fn&& fn) noexcept {
  try {
    return std::forward<Fn>(fn)();
  } catch (...) {
    return code_of_current_exception();
  }
}

/// The running task, or an error in the words of C.
TaskState& require_c_task(const char* call);
LoopCore& require_c_loop(const char* call);
void require_c_function(bool given, const char* call);

/// Calls a body: COIR_ECANCELED becomes what ends a task as cancelled, here where no C frame is above.
int call_c_body(coir_fn fn, void* data);

/// Negative: none.
inline Duration to_timeout(double seconds) {
  const Duration timeout = to_duration(std::chrono::duration<double>(seconds));
  return timeout < Duration::zero() ? Duration::max() : timeout;
}

/// Ends a timer with the scope of what waits.
class ScopedTimer {
 public:
  template <class Fn>
  ScopedTimer(LoopCore& loop, Duration timeout, const char* name, Fn&& fn) {
    if (timeout != Duration::max()) handle_ = loop.owner->call_later(timeout, std::forward<Fn>(fn), name);
  }
  ~ScopedTimer() { handle_.cancel(); }
  ScopedTimer(const ScopedTimer&) = delete;
  ScopedTimer& operator=(const ScopedTimer&) = delete;

 private:
  TimerHandle handle_;
};

/// The handles that C has on what belongs to one loop. Made at the first use, gone when the loop closes.
///
/// CL1  Touched on the loop's thread only; other threads know its id, which is looked up in a table of all loops.
class CLoop {
 public:
  explicit CLoop(LoopCore& core);
  ~CLoop();
  CLoop(const CLoop&) = delete;
  CLoop& operator=(const CLoop&) = delete;

  static CLoop& of(LoopCore& core);

  const coir_loop id;
  std::unordered_map<coir_task, Task<int>> tasks;  // neither joined nor detached
  std::unordered_map<coir_completion, CCompletion*> completions;
};

}  // namespace coir::detail
