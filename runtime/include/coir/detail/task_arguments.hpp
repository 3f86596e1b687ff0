// SPDX-License-Identifier: MIT
// What as_task() keeps of a call's arguments until its task runs.
#pragma once

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/completion.hpp>

namespace coir::detail {

/// In the place of a parameter of which nothing is known.
struct AsPassed {};

/// The parameters of a callable, as the elements of a std::tuple that is never made. Empty if it has none, or if they
/// depend on the call: generic lambdas, overloaded functors, std::bind, C's variadic functions.
template <class F>
struct ParametersOf {
  using type = std::tuple<>;
};
template <class R, class... P, bool is_noexcept>
struct ParametersOf<R(P...) noexcept(is_noexcept)> {
  using type = std::tuple<P...>;
};
template <class R, class... P, bool is_noexcept>
struct ParametersOf<R(P...) const noexcept(is_noexcept)> : ParametersOf<R(P...)> {};
template <class R, class... P, bool is_noexcept>
struct ParametersOf<R(P...) & noexcept(is_noexcept)> : ParametersOf<R(P...)> {};
template <class R, class... P, bool is_noexcept>
struct ParametersOf<R(P...) const & noexcept(is_noexcept)> : ParametersOf<R(P...)> {};
template <class Function>
  requires std::is_function_v<Function>
struct ParametersOf<Function*> : ParametersOf<Function> {};

/// A member function's, and those of its call by std::invoke(), where the object comes first.
template <class Member>
struct ParametersOfMember {
  using type = std::tuple<>;
  using invoked = type;
};
template <class Function, class C>
  requires std::is_function_v<Function>
struct ParametersOfMember<Function C::*> : ParametersOf<Function> {
  template <class List>
  struct BehindObject;
  template <class... P>
  struct BehindObject<std::tuple<P...>> {
    using type = std::tuple<AsPassed, P...>;
  };
  using invoked = typename BehindObject<typename ParametersOf<Function>::type>::type;
};
template <class Member>
  requires std::is_member_pointer_v<Member>
struct ParametersOf<Member> {
  using type = typename ParametersOfMember<Member>::invoked;
};
template <class F>
  requires requires { &F::operator(); }
struct ParametersOf<F> : ParametersOfMember<decltype(&F::operator())> {};

template <std::size_t index, class Parameters>
struct ParameterAt {
  using type = AsPassed;
};
template <std::size_t index, class... P>
  requires(index < sizeof...(P))
struct ParameterAt<index, std::tuple<P...>> : std::tuple_element<index, std::tuple<P...>> {};

template <class T>
inline constexpr bool says_borrowed = false;
template <class T>
inline constexpr bool says_borrowed<borrowed<T>> = true;
/// That it refers to something of somebody else's is there to be seen.
template <class T>
inline constexpr bool is_plain_reference = std::is_pointer_v<T>;
template <class T>
inline constexpr bool is_plain_reference<std::reference_wrapper<T>> = true;

/// One argument, passed as Arg, for f's parameter P. `type` is what is kept of it: P's own type, converted at the call,
/// unless
///
/// - the argument is of P's class, or of one derived from it: a copy of the whole object;
/// - P would only refer to the argument, as a string_view does to a std::string: the argument, of which the task makes
///   the view.
template <class P, class Arg>
struct TaskArgument {
  using Passed = std::decay_t<Arg>;
  using Own = std::decay_t<P>;
  static constexpr bool writes = std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;
  static constexpr bool is_object = std::is_reference_v<P> && std::is_base_of_v<Own, Passed>;
  static constexpr bool is_seen = !owns_its_data<Own> && owns_its_data<Passed> && std::is_convertible_v<Passed, P>;
  using type = std::conditional_t<writes || is_object || is_seen, Passed, Own>;

  static constexpr bool made_borrowed = says_borrowed<Own> && !std::is_same_v<Own, Passed>;
  static constexpr bool fits() {
    if constexpr (made_borrowed) {
      return requires(Arg&& arg) { Own{std::forward<Arg>(arg)}; };
    } else {
      return std::is_convertible_v<Arg, P> || std::is_convertible_v<Arg, type> || std::is_convertible_v<Passed, P>;
    }
  }
  /// f would write to a copy. Whoever passes a std::reference_wrapper knows what he does.
  static constexpr bool loses_writes = writes && !std::is_convertible_v<Passed, P>;
  static constexpr bool dangles = !owns_its_data<type> && !is_plain_reference<type>;
  static constexpr bool is_copied = made_borrowed || std::is_constructible_v<type, Arg>;

  static auto keep(Arg&& arg) {
    if constexpr (made_borrowed) {
      return Own{std::forward<Arg>(arg)};
    } else {
      return static_cast<type>(std::forward<Arg>(arg));
    }
  }
};
template <class Arg>
struct TaskArgument<AsPassed, Arg> {
  using type = std::decay_t<Arg>;
  static constexpr bool fits() { return true; }
  static constexpr bool loses_writes = false;
  static constexpr bool dangles = false;  // or perhaps: only the task knows
  static constexpr bool is_copied = std::is_constructible_v<type, Arg>;
  static auto keep(Arg&& arg) { return static_cast<type>(std::forward<Arg>(arg)); }
};

/// A call of as_task(f)(args...).
template <class F, class Indexes, class... Args>
struct TaskCallOf;
template <class F, std::size_t... index, class... Args>
struct TaskCallOf<F, std::index_sequence<index...>, Args...> {
  template <std::size_t i, class Arg>
  using Argument = TaskArgument<typename ParameterAt<i, typename ParametersOf<F>::type>::type, Arg>;

  static constexpr bool loses_writes = (Argument<index, Args>::loses_writes || ...);
  static constexpr bool dangles = (Argument<index, Args>::dangles || ...);
  static constexpr bool is_copied = (Argument<index, Args>::is_copied && ...);
  static constexpr bool refused = loses_writes || dangles || !is_copied;
  /// Also for a call that is refused, so that it can be told why.
  static constexpr bool is_one = (Argument<index, Args>::fits() && ...) &&
                                 (refused || std::is_invocable_v<F&, typename Argument<index, Args>::type...>);

  static auto keep(Args&&... args) {
    return std::tuple<typename Argument<index, Args>::type...>(Argument<index, Args>::keep(std::forward<Args>(args))...);
  }
};
template <class F, class... Args>
using TaskCall = TaskCallOf<F, std::index_sequence_for<Args...>, Args...>;

}  // namespace coir::detail
