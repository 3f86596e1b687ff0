// SPDX-License-Identifier: MIT
// A function that calls back becomes one that returns.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <coir/completion.hpp>
#include <coir/future.hpp>

namespace coir {
namespace detail {

/// Calls init(owner) and keeps the canceller that it may return.
template <class Owner, class Init>
void initiate(BridgeBase& bridge, Init&& init, Owner owner) {
  static_assert(std::is_invocable_v<Init, Owner>, "the initiating call takes one argument: [&](auto done) { ... }");
  using Answer = std::invoke_result_t<Init, Owner>;
  if constexpr (std::is_void_v<Answer>) {
    std::invoke(std::forward<Init>(init), std::move(owner));
  } else {
    static_assert(std::is_invocable_v<std::decay_t<Answer>&>,
                  "what the initiating call returns is taken for a canceller, a callable that returns coir::Cancel; "
                  "if it is not meant as one, return nothing");
    bridge.set_canceller(
        std::make_unique<CancellerOf<std::decay_t<Answer>>>(std::forward<Init>(init), std::move(owner)));
  }
}

template <class... R>
struct BridgeTypes {
  using Bridge = BridgeOf<R...>;
  using Owner = Completion<R...>;
  using Result = BridgeResult<R...>;
};
template <>
struct BridgeTypes<void> : BridgeTypes<> {};

}  // namespace detail

/// Starts something that calls back, waits for that, and returns what it brought.
///
///     std::string ask(const char* question) {                       // a plain function, at any depth of a task
///       return from_callback<std::string>([&](auto done) {
///         auto cb = std::move(done).template c<void(const char*, void*)>([](auto& d, const char* s) { d(s); });
///         legacy_ask(question, cb.fn, cb.ud);
///       }, {.timeout = 5s, .name = "ask"});
///     }
///
/// init(Completion<R...> done) runs at once, on the task's stack. It hands `done`, or what c() and shared() make of it,
/// to the API, and may return a canceller: a callable that asks the API to stop and returns a Cancel.
///
/// Shape     R... -> R, or a tuple of several, or nothing. They must own their data (owns_its_data).
/// Suspends  Until the callback has come; not at all if it comes inside of init.
/// Errors    What the callback fails with; what init throws: its ticket is then void. TimeoutError. BrokenCallback if
///           `done` was destroyed without a call. UsageError outside a task. std::bad_alloc: there is memory for all but
///           the timer of a timeout before init is called; where that cannot be had, the canceller is asked as by a
///           cancel().
/// Cancel    The canceller is called inside cancel(), on that stack: it must not wait. It may make the callback come at
///           once. `stopped`: CancelledError at once, everything is freed. `will_fire`: still suspended, until the
///           callback has come; then CancelledError, whatever came (but see BridgeOptions::prefer_result).
///           `refused`, or no canceller: CancelledError at once; a callback that still comes does no harm, but what the
///           API was given pointers to must be in keep(), not on the stack.
/// Lifetime  The canceller is destroyed when the wait has ended. References to variables of init are gone before it is
///           called.
/// Clock     A virtual clock does not wait for threads of a library: it knows those of executors alone.
/// Cost      One allocation, recycled up to 120 bytes of results: bench/bridge_bench. A timeout: one more, and a timer.
/// Source    asyncio code writes a future, a callback and call_soon_threadsafe() by hand.
template <class... R, class Init>
[[gnu::always_inline]] inline typename detail::BridgeTypes<R...>::Result from_callback(
    Init&& init, const BridgeOptions& options = {}, SourceLocation where = SourceLocation::current()) {
  using Types = detail::BridgeTypes<R...>;
  detail::require_owned<R...>();
  detail::TaskState* const task = detail::current_task;
  if (task == nullptr) [[unlikely]] detail::require_task("from_callback()");
  auto* bridge = new typename Types::Bridge(task->loop(), "from_callback", options, where);
  detail::BridgeFrame frame(*bridge);
  detail::initiate(*bridge, std::forward<Init>(init), typename Types::Owner(*bridge));
  frame.wait(*task);
  return bridge->take();
}

/// The same as a future: for several at once (gather()), and for callbacks, where nothing may wait.
///
/// Suspends  never
/// Errors    What init throws. UsageError where no loop runs. All else arrives in the future.
/// Cancel    Cancelling the future is what cancelling the task is in from_callback(): with `will_fire` it is cancelled,
///           and done, when the callback has come.
/// Lifetime  If every handle to the future goes, the callback is still waited for.
template <class... R, class Init>
[[nodiscard]] Future<typename detail::BridgeTypes<R...>::Result> future_from_callback(
    Init&& init, const BridgeOptions& options = {}, SourceLocation where = SourceLocation::current()) {
  using Types = detail::BridgeTypes<R...>;
  using Result = typename Types::Result;
  class State final : public detail::ValueState<detail::BridgeFuture, Result> {
   public:
    using detail::ValueState<detail::BridgeFuture, Result>::ValueState;

   private:
    ~State() override = default;
  };
  detail::require_owned<R...>();
  detail::LoopCore& loop = detail::require_running_loop("future_from_callback()");
  auto* bridge = new typename Types::Bridge(loop, "future_from_callback", options, where);
  detail::BridgeFrame frame(*bridge);
  typename Types::Owner owner(*bridge);
  auto* state = new State(loop, bridge->scheduled_at, bridge->kind());
  Future<Result> future(detail::Ref<detail::FutureState>::adopt(state));
  detail::initiate(*bridge, std::forward<Init>(init), std::move(owner));
  bridge->wait_with(*state);
  frame.run_free();
  return future;
}

}  // namespace coir
