// SPDX-License-Identifier: MIT
// A stack of megabytes for code that needs one.
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>

#include <coir/detail/export.hpp>
#include <coir/detail/future_state.hpp>

namespace coir {
namespace detail {

/// Calls call(argument), which must not throw, on a stack of LoopOptions::big_stack_bytes.
COIR_EXPORT void call_on_big_stack(void (*call)(void*), void* argument);

}  // namespace detail

/// Runs fn() in the calling task, on a stack of LoopOptions::big_stack_bytes (8 MiB): for a deep recursion, a parser or a
/// library that keeps large arrays on its stack. fn() may await, throw, and be cancelled there like anywhere in the task.
/// Outside a task, and below another run_on_big_stack(), it is an ordinary call: those stacks are large.
///
/// Suspends  only if fn() does
/// Returns   what fn() returns
/// Errors    what fn() throws. StackAllocationError if no such stack can be had; fn() has not run then.
/// Cost      two switches. A big stack is address space; the pages that fn() touches stay with the loop until it has not
///           needed them for a second.
template <class Fn>
std::invoke_result_t<Fn&> run_on_big_stack(Fn&& fn) {
  using R = std::invoke_result_t<Fn&>;
  std::optional<detail::Stored<R>> result;
  std::exception_ptr failure;
  auto call = [&] {
    try {
      if constexpr (std::is_void_v<R>) {
        std::invoke(fn);
        result.emplace();
      } else if constexpr (std::is_reference_v<R>) {
        result.emplace(&std::invoke(fn));
      } else {
        result.emplace(std::invoke(fn));
      }
    } catch (...) {
      failure = std::current_exception();
    }
  };
  detail::call_on_big_stack([](void* argument) { (*static_cast<decltype(call)*>(argument))(); }, &call);
  if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  if constexpr (std::is_reference_v<R>) {
    return static_cast<R>(**result);
  } else if constexpr (!std::is_void_v<R>) {
    return std::move(*result);
  }
}

}  // namespace coir
