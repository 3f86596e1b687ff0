// SPDX-License-Identifier: MIT
#include "big_stack.hpp"

#include <algorithm>
#include <cerrno>

#include <coir/big_stack.hpp>

#include "loop_core.hpp"

namespace coir::detail {
namespace {

constexpr std::size_t kept_bytes = std::size_t{16} << 10;

}  // namespace

struct BigStacks::Call {
  void (*function)(void*);
  void* argument;
  TaskState* task;
  fibers::Fiber* back;  // where the call came from
};

BigStacks::~BigStacks() {
  for (const auto& big : all_) {
    if (big->call == nullptr) fibers::FiberPool::Impl::destroy(*big->fiber, stacks_);
    // Else its task was abandoned (P5): the stack stays mapped.
  }
}

/// The assignment of a big fiber, which never ends: between two calls it is suspended in the switch.
fibers::Fiber& BigStacks::serve(void* argument) noexcept {
  Big& big = *static_cast<Big*>(argument);
  for (;;) {
    Call& call = *big.call;
    big.fiber->argument = call.task;  // what an overflow report names
    call.function(call.argument);
    fibers::Fiber& back = *call.back;
    back.saved_errno = errno;
    big.fiber->argument = nullptr;
    big.call = nullptr;
    switch_fiber(*big.pool, back);
  }
}

BigStacks::Big& BigStacks::acquire() {
  const auto idle = std::find_if(all_.begin(), all_.end(), [](const auto& big) { return big->call == nullptr; });
  if (idle != all_.end()) return **idle;
  auto big = std::make_unique<Big>(Big{.pool = &pool_, .fiber = nullptr});
  all_.reserve(all_.size() + 1);
  big->fiber = &pool_.create(stacks_);
  big->fiber->entry = serve;
  big->fiber->argument = big.get();
  all_.push_back(std::move(big));
  return *all_.back();
}

void BigStacks::call(TaskState& task, fibers::Fiber*& fiber_of_task, void (*function)(void*), void* argument) {
  Big& big = acquire();
  fibers::Fiber& small = *fiber_of_task;
  Call call{function, argument, &task, &small};
  big.call = &call;
  big.used = true;
  // The call goes on where the task was: in its catch blocks, with its errno, below its call_c().
  big.fiber->exceptions = *pool_.exception_state;
  big.fiber->saved_errno = errno;
  big.fiber->innermost_call = small.innermost_call;
  fiber_of_task = big.fiber;
  switch_fiber(pool_, *big.fiber);
  fiber_of_task = &small;
}

bool BigStacks::owns(const fibers::Fiber& fiber) const noexcept {
  return std::any_of(all_.begin(), all_.end(), [&](const auto& big) { return big->fiber == &fiber; });
}

void BigStacks::trim() noexcept {
  for (const auto& big : all_) {
    if (big->call == nullptr && !std::exchange(big->used, false)) {
      auto* resident = reinterpret_cast<std::byte*>(big->fiber) - kept_bytes;
      fibers::StackPool::drop_pages(big->fiber->stack, resident);
    }
  }
}

void call_on_big_stack(void (*call)(void*), void* argument) {
  TaskState* const task = running_task();
  if (task == nullptr) return call(argument);
  task->loop().call_on_big_stack(*task, call, argument);
}

void LoopCore::call_on_big_stack(TaskState& task, void (*call)(void*), void* argument) {
  if (!big_stacks) big_stacks = std::make_unique<BigStacks>(pool, big_stack_bytes);
  if (big_stacks->owns(*task.fiber_)) return call(argument);
  big_stacks->call(task, task.fiber_, call, argument);
}

}  // namespace coir::detail
