// SPDX-License-Identifier: MIT
// A result or the reason why there is none, as a value.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace coir {

/// How something ended: with a value of type T, or with an exception. T may be void, move-only or a reference.
/// value() of an Outcome<void> returns nothing.
template <class T>
class Outcome {
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate,
                                    std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;

 public:
  Outcome(std::in_place_t, Stored value) : held_(std::in_place_index<0>, std::move(value)) {}
  explicit Outcome(std::exception_ptr error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value. Errors: rethrows error() if there is none.
  std::add_lvalue_reference_t<T> value() & {
    if (!has_value()) std::rethrow_exception(std::get<1>(held_));
    if constexpr (std::is_void_v<T>) {
      return;
    } else if constexpr (std::is_reference_v<T>) {
      return *std::get<0>(held_);
    } else {
      return std::get<0>(held_);
    }
  }
  std::conditional_t<std::is_reference_v<T>, T, std::add_lvalue_reference_t<std::add_const_t<T>>> value() const& {
    if constexpr (std::is_void_v<T>) {
      const_cast<Outcome*>(this)->value();
    } else {
      return const_cast<Outcome*>(this)->value();
    }
  }
  T value() && {
    if constexpr (std::is_void_v<T> || std::is_reference_v<T>) {
      return value();
    } else {
      return std::move(value());
    }
  }

  /// Null if there is a value.
  std::exception_ptr error() const noexcept { return has_value() ? nullptr : std::get<1>(held_); }

 private:
  std::variant<Stored, std::exception_ptr> held_;
};

}  // namespace coir
