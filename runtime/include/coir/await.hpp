// SPDX-License-Identifier: MIT
// Waiting, from any plain function that runs inside a task.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/future.hpp>
#include <coir/outcome.hpp>
#include <coir/task.hpp>

namespace coir {
namespace detail {

template <class T>
Future<T> future_of(const Future<T>&);  // never called: finds the Future<T> that a Task<T> is

template <class A>
concept FutureLike = requires(const std::remove_cvref_t<A>& a) { detail::future_of(a); };

/// What awaiting an A gives: of a future its value, of a callable what it returns.
template <class A>
struct AwaitTraits {
  static_assert(std::is_invocable_v<std::decay_t<A>&>,
                "only a Future, a Task or a callable without arguments can be awaited");
  using type = std::invoke_result_t<std::decay_t<A>&>;
};
template <FutureLike A>
struct AwaitTraits<A> {
  using type = typename std::remove_cvref_t<A>::value_type;
};
template <class A>
using AwaitResult = typename AwaitTraits<A>::type;

/// Whether a T can be copied. A container claims it whatever its elements are.
template <class T>
inline constexpr bool copyable = std::is_copy_constructible_v<T>;
template <class T>
  requires requires {
    typename T::allocator_type;
    typename T::value_type;
  }
inline constexpr bool copyable<T> = copyable<typename T::value_type>;
template <class... T>
inline constexpr bool copyable<std::tuple<T...>> = (copyable<T> && ...);

/// The value of a future that has one: moved out if `last` (or if it cannot be copied), else copied.
template <class T>
[[gnu::always_inline]] inline T take_stored(FutureState& state, bool last) {
  if constexpr (std::is_void_v<T>) {
    return;
  } else {
    auto& stored = ValueAccess<T>::of(state);
    if (!stored.has_value()) throw InvalidStateError("the result of this future was moved out by an earlier await");
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(**stored);
    } else if constexpr (!copyable<T>) {
      T value = std::move(*stored);
      stored.reset();
      return value;
    } else {
      if (last) return std::move(*stored);
      return *stored;
    }
  }
}

/// The same of a finished future, whatever became of it. Errors: what result() throws.
template <class T>
T take_value(FutureState& state, bool last) {
  state.require_value();
  return take_stored<T>(state, last);
}

// This and the awaits below are always inlined: each call between the user's code and the switch is one more `ret` behind
// the jump, at 6 ns (bench/await_bench).

/// Waits for the future, of which the caller passes one reference. Returns that if it has a value, else throws.
[[gnu::always_inline]] inline Ref<FutureState> await_value(FutureState& awaited) {
  wait_until_done_or_release(awaited);
  awaited.require_value_or_release();
  return Ref<FutureState>::adopt(&awaited);
}

}  // namespace detail

/// Waits until the future is done and returns its value, or throws its failure.
///
/// Suspends  Exactly if it is not done. An await of a done future is no point of fairness.
/// Shape     Copies the value from an lvalue. From an rvalue it moves, if this is the last handle or T cannot be copied;
///           a value that others can still ask for is never moved away under them.
/// Errors    What the future failed with, the same object for all who await it. CancelledError if it was cancelled, or
///           if this task was, meanwhile or before. UsageError outside a task, on a future of another loop, on the task
///           itself. InvalidStateError if a move-only value was taken already.
/// Cancel    Cancelling the waiting task cancels the future it waits on: shield() what others need too.
/// Lifetime  The future is kept alive while it is awaited.
/// Cost      Done: a few instructions. Else two switches and no allocation (bench/await).
/// Source    CPython futures.py Future.__await__, tasks.py Task.__step and __wakeup
template <class T>
[[gnu::always_inline]] inline T await(const Future<T>& future) {
  static_assert(detail::copyable<T> || std::is_void_v<T> || std::is_reference_v<T>,
                "this value cannot be copied out of the future: write await(std::move(future))");
  detail::FutureState& state = future.state();
  state.retain();  // the caller's handle may be assigned to by others while this task waits
  const auto own = detail::await_value(state);
  return detail::take_stored<T>(*own, false);
}
template <class T>
[[gnu::always_inline]] inline T await(Future<T>&& future) {
  const auto own = detail::await_value(std::move(future).leak_state());
  return detail::take_stored<T>(*own, own->references() == 1);
}
template <class T>
[[gnu::always_inline]] inline T await(const Task<T>& task) {
  return await(static_cast<const Future<T>&>(task));
}
template <class T>
[[gnu::always_inline]] inline T await(Task<T>&& task) {
  return await(static_cast<Future<T>&&>(task));
}
/// Calls it, in this task, and returns what it returns: what `await coroutine()` is in Python. For a task of its own,
/// create_task().
/// Suspends  as fn does. Errors: UsageError outside a task; what fn throws.
template <class Fn>
  requires(!detail::FutureLike<Fn> && std::is_invocable_v<Fn>)
std::invoke_result_t<Fn> await(Fn&& fn) {
  detail::require_task("await()");
  return std::forward<Fn>(fn)();
}

/// Like await(), but returns the failure instead of throwing it: for the common path of a timeout or a lost
/// connection, at a hundredth of the cost of an exception. A cancellation of the awaited future is returned, too.
/// A cancellation of the calling task and misuse are still thrown.
template <class A>
Outcome<detail::AwaitResult<A>> try_await(A&& awaitable) {
  using T = detail::AwaitResult<A>;
  if constexpr (detail::FutureLike<A>) {
    detail::FutureState& state = Future<T>(std::forward<A>(awaitable)).leak_state();
    detail::wait_until_done_or_release(state);
    const auto own = detail::Ref<detail::FutureState>::adopt(&state);
    if (state.cancelled() || state.failed()) return Outcome<T>(state.reason());
    const bool last = state.references() == 1;
    if constexpr (std::is_void_v<T>) {
      return Outcome<T>(std::in_place, {});
    } else if constexpr (std::is_reference_v<T>) {
      return Outcome<T>(std::in_place, &detail::take_stored<T>(state, last));
    } else {
      return Outcome<T>(std::in_place, detail::take_stored<T>(state, last));
    }
  } else {
    return try_await(create_task(std::forward<A>(awaitable)));
  }
}

/// The future itself, or a task that runs the callable. Errors: UsageError (no_running_loop) for a callable.
template <class A>
Future<detail::AwaitResult<A>> ensure_future(A&& awaitable, SourceLocation where = SourceLocation::current()) {
  if constexpr (detail::FutureLike<A>) {
    return Future<detail::AwaitResult<A>>(std::forward<A>(awaitable));
  } else {
    return create_task(std::forward<A>(awaitable), where);
  }
}

template <class A>
typename detail::AwaitTraits<A>::type EventLoop::run_until_complete(A&& awaitable, SourceLocation where) {
  using T = detail::AwaitResult<A>;
  const auto finish = [this](const Future<T>& future, bool own_task) -> T {
    run_until_done(future, own_task);
    return detail::take_value<T>(future.state(), future.state().references() == 1);
  };
  if constexpr (detail::FutureLike<A>) {
    const Future<T> future = std::forward<A>(awaitable);
    return finish(future, false);
  } else {
    require_runnable();  // before there is a task, which would run later all the same
    const Future<T> future = create_task(std::forward<A>(awaitable), where);
    return finish(future, true);
  }
}

}  // namespace coir
