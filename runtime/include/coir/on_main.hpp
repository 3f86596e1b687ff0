// SPDX-License-Identifier: MIT
// Code that must not run on a task's stack: modal dialogs, nested loops, megabytes of frames.
#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <coir/detail/export.hpp>
#include <coir/source_location.hpp>

namespace coir {
namespace detail {

/// Whether the caller runs on a task's stack. Errors: UsageError (no_await) inside a NoAwait scope of a task.
COIR_EXPORT bool on_task_stack(const char* call);
/// Suspends the running task until function(argument) has been called on the loop's own stack. Throws what that throws.
COIR_EXPORT void call_on_main(void (*function)(void*), void* argument, SourceLocation where);

}  // namespace detail

/// Runs fn() on the stack of the thread itself, outside of every task, and returns what it returns: what a task writes
/// around `dialog.exec()`, g_main_loop_run() or anything else that runs the host's loop inside of itself, or that needs
/// a big stack. Meanwhile this task waits, and the others go on if fn() runs the host.
///
///     int answer = coir::on_main([&] { return dialog.exec(); });
///
/// In guest mode the next pump() calls it, before its own turn; in a loop that runs by itself the loop does, between
/// two turns, and all tasks stand still meanwhile. Outside a task it just calls fn(): that is the thread's stack
/// already.
///
/// Suspends  Always, in a task.
/// Errors    What fn throws. UsageError (no_await) in a NoAwait scope.
/// Cancel    Before fn() has begun: it is not called. Later the call goes on to its end, and CancelledError is thrown
///           instead of its outcome.
/// Lifetime  fn may refer to the task's variables: it has ended, or never begins, when this returns.
/// Cost      One allocation, two switches, one turn of the host.
/// Source    None in asyncio; qasync's asyncWrap, which leaves the running callback's stack likewise.
template <class Fn>
std::invoke_result_t<Fn&> on_main(Fn&& fn, SourceLocation where = SourceLocation::current()) {
  using R = std::invoke_result_t<Fn&>;
  if (!detail::on_task_stack("on_main()")) return std::invoke(fn);
  const auto call = [&](auto& body) {
    using Body = std::remove_reference_t<decltype(body)>;
    detail::call_on_main([](void* argument) { (*static_cast<Body*>(argument))(); }, &body, where);
  };
  if constexpr (std::is_void_v<R>) {
    auto body = [&] { std::invoke(fn); };
    call(body);
  } else if constexpr (std::is_reference_v<R>) {
    std::remove_reference_t<R>* result = nullptr;
    auto body = [&] { result = &std::invoke(fn); };
    call(body);
    return static_cast<R>(*result);
  } else {
    std::optional<R> result;
    auto body = [&] { result.emplace(std::invoke(fn)); };
    call(body);
    return *std::move(result);
  }
}

}  // namespace coir
