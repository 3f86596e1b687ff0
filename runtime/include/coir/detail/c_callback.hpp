// SPDX-License-Identifier: MIT
// A C function pointer and its user data, made from a mapper.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/detail/bridge_base.hpp>

namespace coir {

/// What a C API is given: pass both to the call that takes a callback and its user data.
template <class Function>
struct CCallback {
  Function* fn;
  void* ud;
};

namespace detail {

template <class Signature>
struct SignatureOf;
template <class R, class... A>
struct SignatureOf<R(A...)> {
  using function = R(A...);
  using result = R;
  static constexpr std::size_t arity = sizeof...(A);
  /// Index of the last parameter that is a plain void*; arity if none is.
  static constexpr std::size_t last_void_pointer() {
    constexpr bool is_void_pointer[] = {std::is_same_v<A, void*>..., false};
    std::size_t last = arity;
    for (std::size_t i = 0; i < arity; ++i) {
      if (is_void_pointer[i]) last = i;
    }
    return last;
  }
};
template <class R, class... A>
struct SignatureOf<R(A...) noexcept> : SignatureOf<R(A...)> {};
template <class F>
struct SignatureOf<F*> : SignatureOf<F> {};

template <class Signature>
inline constexpr std::size_t last_void_pointer = SignatureOf<Signature>::last_void_pointer();

template <class T>
TicketId ticket_in(T user_data) noexcept {
  static_assert(std::is_pointer_v<T> || (std::is_integral_v<T> && sizeof(T) == sizeof(TicketId)),
                "the parameter chosen as user data must be a pointer, or an integer as wide as one");
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<TicketId>(user_data);
  } else {
    return static_cast<TicketId>(user_data);
  }
}

/// Needs no storage: the thunk makes its own.
template <class Mapper>
inline constexpr bool stateless = std::is_empty_v<Mapper> && std::is_default_constructible_v<Mapper>;

/// The C function of one mapper. It runs on the foreign side's thread and stack, below frames that know no exceptions.
template <class Handle, class Mapper, std::size_t UserData, class Function>
struct Thunk;
template <class Handle, class Mapper, std::size_t UserData, class Result, class... Args>
struct Thunk<Handle, Mapper, UserData, Result(Args...)> {
  // Its address is the ticket's tag: user data that was made for another function is refused.
  static constexpr char tag = 0;

  static Result call(Args... args) {
    const auto all = std::forward_as_tuple(std::forward<Args>(args)...);
    TicketUse use(ticket_in(std::get<UserData>(all)), &tag);
    BridgeBase* const bridge = use.bridge();
    if (bridge == nullptr) return Result();
    Handle view = Handle::view_of(*bridge);
    const auto map = [&](auto& mapper) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) -> Result {
        const auto invoke = [&]() -> decltype(auto) {
          return std::invoke(mapper, view, std::forward<std::tuple_element_t<I + (I >= UserData), std::tuple<Args...>>>(
                                               std::get<I + (I >= UserData)>(all))...);
        };
        if constexpr (std::is_void_v<Result> || std::is_void_v<decltype(invoke())>) {
          invoke();
          return Result();
        } else {
          return invoke();
        }
      }(std::make_index_sequence<sizeof...(Args) - 1>{});
    };
    const auto moved_away = [&] {
      if (view.owns_nothing()) use.retire();
    };
    const auto run = [&](auto& mapper) -> Result {
      if constexpr (std::is_void_v<Result>) {
        map(mapper);
        moved_away();
      } else {
        Result result = map(mapper);
        moved_away();
        return result;
      }
    };
    try {
      if constexpr (stateless<Mapper>) {
        Mapper mapper{};
        return run(mapper);
      } else {
        return run(static_cast<KeptOf<Mapper>*>(bridge->mapper())->value);
      }
    } catch (...) {
      moved_away();
      bridge->mapper_threw(std::current_exception());
    }
    return Result();
  }
};

/// The owner's reference of `bridge` goes to the ticket.
template <class Handle, class Signature, std::size_t UserData, class Mapper>
CCallback<typename SignatureOf<Signature>::function> make_c_callback(BridgeBase& bridge, Mapper&& mapper) {
  using Function = typename SignatureOf<Signature>::function;
  static_assert(UserData < SignatureOf<Signature>::arity,
                "this signature has no void* for user data: name its parameter, .c<Signature, index>(mapper). Without "
                "any user data no callback can be told from another");
  using Kind = std::decay_t<Mapper>;
  using Code = Thunk<Handle, Kind, UserData, Function>;
  std::unique_ptr<Kept> state;
  if constexpr (!stateless<Kind>) state = std::make_unique<KeptOf<Kind>>(std::forward<Mapper>(mapper));
  void* const user_data = bridge.make_ticket(&Code::tag, state.get());
  static_cast<void>(state.release());
  return {&Code::call, user_data};
}

}  // namespace detail
}  // namespace coir
