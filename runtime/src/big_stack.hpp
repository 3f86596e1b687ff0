// SPDX-License-Identifier: MIT
// The stacks of run_on_big_stack(). Private to runtime/.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "switch.hpp"

namespace coir::detail {

class TaskState;

/// The big stacks of a loop, each with a fiber that runs one call after another.
///
/// A call is the task's own: while it runs, the task's fiber is the big one, so that an await suspends and resumes there,
/// and the fiber that the call came from waits in call(), suspended.
///
/// B1  A big fiber is idle, or belongs to one task, whose call has not ended.
/// B2  Idle ones are suspended between two calls, in a frame that owns nothing.
class BigStacks {
 public:
  BigStacks(fibers::FiberPool::Impl& pool, std::size_t bytes) : pool_(pool), stacks_({.bytes = bytes}) {}
  ~BigStacks();
  BigStacks(const BigStacks&) = delete;
  BigStacks& operator=(const BigStacks&) = delete;

  /// Errors    StackAllocationError, std::bad_alloc; nothing has run then
  void call(TaskState& task, fibers::Fiber*& fiber_of_task, void (*function)(void*), void* argument);
  bool owns(const fibers::Fiber& fiber) const noexcept;
  /// Gives the memory of idle ones back that have not been used since the last time.
  void trim() noexcept;

 private:
  struct Call;
  /// Bookkeeping of one big fiber.
  struct Big {
    fibers::FiberPool::Impl* pool;
    fibers::Fiber* fiber;
    Call* call = nullptr;  // null: idle
    bool used = false;     // since the last trim()
  };
  static fibers::Fiber& serve(void* big) noexcept;
  Big& acquire();

  fibers::FiberPool::Impl& pool_;
  fibers::StackPool stacks_;
  std::vector<std::unique_ptr<Big>> all_;
};

}  // namespace coir::detail
