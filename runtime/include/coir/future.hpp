// SPDX-License-Identifier: MIT
// A value that is not there yet. asyncio.Future.
#pragma once

#include <concepts>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include <coir/detail/future_state.hpp>
#include <coir/errors.hpp>
#include <coir/event_loop.hpp>

namespace coir {

namespace detail {
[[noreturn]] COIR_EXPORT void throw_empty_future();
}

/// Names one add_done_callback(). May outlive the callback, the future and the loop.
class CallbackId {
 public:
  CallbackId() noexcept = default;
  explicit CallbackId(detail::Ref<detail::HandleNode> node) noexcept : node_(std::move(node)) {}

 private:
  friend class AnyFuture;
  detail::Ref<detail::HandleNode> node_;
};

/// A shared handle to a future of any type. Copying it makes another handle to the same future; empty when default
/// constructed or moved from.
///
/// Threads   Everything here, copies included, belongs to the loop's thread. Other threads go through
///           call_soon_threadsafe().
/// Suspends  Nothing here does.
class COIR_EXPORT AnyFuture {
 public:
  AnyFuture() noexcept = default;
  explicit AnyFuture(detail::Ref<detail::FutureState> state) noexcept : state_(std::move(state)) {}

  explicit operator bool() const noexcept { return static_cast<bool>(state_); }
  /// The same future, not an equal value.
  friend bool operator==(const AnyFuture&, const AnyFuture&) = default;

  bool done() const { return state().done(); }
  bool cancelled() const { return state().cancelled(); }

  /// Null if it has a value; else the failure, which counts as retrieved from here on.
  /// Errors    InvalidStateError while pending; CancelledError if cancelled.
  std::exception_ptr exception() const { return state().exception(); }
  /// True unless it failed and nobody asked: such a future is logged when its last handle goes.
  bool exception_retrieved() const { return !state().unretrieved(); }

  /// Asks for the end of it. A plain future is cancelled at once and its callbacks are scheduled; a Task gets a
  /// CancelledError at its await (see Task); a gather passes it on to its children.
  ///
  /// Returns   false if it was done already. Its unretrieved failure then counts as retrieved.
  /// Source    CPython futures.py Future.cancel, tasks.py Task.cancel.
  bool cancel(std::string message = {}) const { return state().cancel(std::move(message)); }

  /// Calls fn() or fn(future) in a later turn of the loop once the future is done, in order of registration among the
  /// other callbacks and waiters; never from inside this call. An exception that leaves it goes to the exception
  /// handler. Adding the same callable twice calls it twice. `name`, a literal, shows up in traces and messages.
  ///
  /// Cost      One allocation.
  template <class Fn>
    requires std::invocable<std::decay_t<Fn>&>
  CallbackId add_done_callback(Fn&& fn, const char* name = nullptr,
                               SourceLocation where = SourceLocation::current()) const {
    return add(detail::make_callback(std::forward<Fn>(fn), where), name);
  }
  template <class Fn>
    requires(!std::invocable<std::decay_t<Fn>&> && std::invocable<std::decay_t<Fn>&, AnyFuture>)
  CallbackId add_done_callback(Fn&& fn, const char* name = nullptr,
                               SourceLocation where = SourceLocation::current()) const {
    // Not counted: the state counts itself for a callback that is scheduled, so this cannot dangle when it runs.
    detail::FutureState* state = &this->state();
    return add(detail::make_callback(
                   [fn = std::forward<Fn>(fn), state]() mutable {
                     fn(AnyFuture(detail::Ref<detail::FutureState>(state)));
                   },
                   where),
               name);
  }

  /// False if it was removed before, or is scheduled already: then it still runs. Cost: constant.
  bool remove_done_callback(const CallbackId& id) const;

  /// Errors    UsageError (loop_is_closed) if the loop has been destroyed
  EventLoop& get_loop() const;
  /// Where create_future() or create_task() was called.
  SourceLocation created_at() const { return state().where(); }
  /// "Task 'Task-3' created at server.cpp:42", "sleep created at ...".
  std::string describe() const;
  /// The value, if it is done with one of exactly this type; else null. For tools that meet futures of any type.
  template <class T>
  const T* get_if() const {
    const bool match = done() && !state_->failed() && !cancelled() && state_->value_type() == typeid(T);
    return match ? static_cast<const T*>(state_->value_address()) : nullptr;
  }

  /// What the handle points to, for coir's own parts. Errors: InvalidStateError if it is empty, as all calls here.
  detail::FutureState& state() const {
    if (!state_) [[unlikely]] detail::throw_empty_future();
    return *state_;
  }
  /// The same, with the reference that this handle held.
  detail::FutureState& leak_state() && {
    state();
    return *state_.leak();
  }

 protected:
  CallbackId add(detail::HandleNode* node, const char* name) const;
  detail::Ref<detail::FutureState> state_;
};

/// A shared handle to a future value of type T, which may be void, move-only or a reference.
/// Made by EventLoop::create_future() and completed by set_result(), set_exception() or cancel().
///
/// Example
///     Future<int> answer = get_running_loop().create_future<int>();
///     legacy_ask([answer](int value) { if (!answer.done()) answer.set_result(value); });   // calls back on this thread
///     int value = await(answer);
template <class T>
class [[nodiscard]] Future : public AnyFuture {
 public:
  using value_type = T;
  Future() noexcept = default;
  explicit Future(detail::Ref<detail::FutureState> state) noexcept : AnyFuture(std::move(state)) {}

  /// The value, in place.
  /// Errors    InvalidStateError while pending, or if a move-only value was awaited away; CancelledError if cancelled;
  ///           the failure itself, which counts as retrieved from here on.
  decltype(auto) result() const {
    this->state().require_value();
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      auto& stored = detail::ValueAccess<T>::of(*state_);
      if (!stored.has_value()) throw InvalidStateError("the result of this future was moved out by an await");
      if constexpr (std::is_reference_v<T>) {
        return static_cast<T>(**stored);
      } else {
        return static_cast<const T&>(*stored);
      }
    }
  }

  /// Completes it; callbacks and waiters are scheduled, in order, and run in a later turn.
  /// Errors    InvalidStateError if it is done, cancelled included; UsageError for a Task.
  template <class U = detail::Stored<T>>
    requires(!std::is_void_v<T> && !std::is_reference_v<T>)
  void set_result(U&& value) const {
    this->state().require_pending("set_result()");
    detail::ValueAccess<T>::of(*state_).emplace(std::forward<U>(value));
    state_->finish();
  }
  template <class U = T>
    requires std::is_reference_v<T>
  void set_result(U&& value) const {
    this->state().require_pending("set_result()");
    detail::ValueAccess<T>::of(*state_).emplace(&value);
    state_->finish();
  }
  void set_result() const
    requires std::is_void_v<T>
  {
    this->state().require_pending("set_result()");
    detail::ValueAccess<T>::of(*state_).emplace();
    state_->finish();
  }
  /// The same with a failure: an exception_ptr, or an object that is thrown by value.
  /// Errors    as set_result(); std::invalid_argument for a null pointer
  void set_exception(std::exception_ptr exception) const {
    this->state().require_pending("set_exception()");
    if (exception == nullptr) throw std::invalid_argument("set_exception() needs an exception");
    state_->finish(std::move(exception));
  }
  template <class E>
    requires(!std::convertible_to<E, std::exception_ptr>)
  void set_exception(E exception) const {
    set_exception(std::make_exception_ptr(std::move(exception)));
  }

  /// As AnyFuture's; fn may also take a Future<T>.
  template <class Fn>
  CallbackId add_done_callback(Fn&& fn, const char* name = nullptr,
                               SourceLocation where = SourceLocation::current()) const {
    if constexpr (std::invocable<std::decay_t<Fn>&>) {
      return AnyFuture::add_done_callback(std::forward<Fn>(fn), name, where);
    } else {
      static_assert(std::invocable<std::decay_t<Fn>&, Future<T>>,
                    "a done-callback takes nothing, an AnyFuture, or a Future of the same type");
      return AnyFuture::add_done_callback(
          [fn = std::forward<Fn>(fn)](AnyFuture done) mutable {
            fn(Future<T>(detail::Ref<detail::FutureState>(&done.state())));
          },
          name, where);
    }
  }
};

template <class T>
Future<T> EventLoop::create_future(SourceLocation where) {
  class State final : public detail::ValueState<detail::FutureState, T> {
   public:
    using detail::ValueState<detail::FutureState, T>::ValueState;

   private:
    ~State() override = default;
  };
  return Future<T>(detail::Ref<detail::FutureState>::adopt(new State(core_for("create_future()"), where)));
}

}  // namespace coir
