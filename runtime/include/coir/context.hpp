// SPDX-License-Identifier: MIT
// Values that belong to a task, and that the tasks and callbacks it starts inherit. Python's contextvars.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <coir/detail/context_slot.hpp>

namespace coir {

template <class T>
class ContextVar;

namespace detail {
[[noreturn]] COIR_EXPORT void throw_no_context_value(const std::string& name);
[[noreturn]] COIR_EXPORT void throw_bad_token(const std::string& name, bool used, bool of_this_variable);
}  // namespace detail

/// A set of values of context variables. A handle: copies name the same context; copy() makes another one.
///
/// Every task and every callback has a context of its own, a copy of the one that was current where it was created or
/// scheduled: what it sets does not show elsewhere, what others set later does not show here. TaskOptions::context lets
/// tasks share one.
///
/// Threads   One at a time. The values are shared between contexts and must bear being read from other threads.
/// Source    CPython Python/context.c; there a context that has been entered cannot be entered again, here it can
class COIR_EXPORT Context {
 public:
  /// Without any value.
  Context() : object_(detail::Ref<detail::ContextObject>::adopt(new detail::ContextObject({}))) {}
  explicit Context(detail::Ref<detail::ContextObject> object) noexcept : object_(std::move(object)) {}

  /// Calls fn() in this context: get() sees its values, and what set() changes stays in it. Suspends as fn does; the
  /// other tasks keep theirs meanwhile.
  template <class F>
  std::invoke_result_t<F> run(F&& fn) const {
    const detail::EnteredContext entered(object_);
    return std::invoke(std::forward<F>(fn));
  }
  /// Another context with the same values. Cost: one allocation, however many there are.
  Context copy() const { return Context(detail::Ref<detail::ContextObject>::adopt(new detail::ContextObject(object_->values))); }
  /// The value in this context; none: it has none, whatever the variable's default.
  template <class T>
  std::optional<T> get(const ContextVar<T>& variable) const;
  template <class T>
  bool contains(const ContextVar<T>& variable) const;
  /// How many variables have a value.
  std::size_t size() const noexcept { return object_->values ? object_->values->size() : 0; }

  friend bool operator==(const Context&, const Context&) = default;  ///< the same context, not: equal values
  const detail::Ref<detail::ContextObject>& object() const noexcept { return object_; }

 private:
  detail::Ref<detail::ContextObject> object_;
};

/// A copy of the current context: of the running task or callback, or of this thread outside of both.
/// Source    CPython contextvars.copy_context
COIR_EXPORT Context copy_context();

/// A variable whose value depends on the task: a request id for the log, a deadline, a transaction.
///
///     const ContextVar<std::string> request_id("request_id", "-");
///
/// Lifetime  Usually a global. Values outlive the variable in the contexts that have them.
/// Cost      get() one search among the variables set, and a copy of the value; set() copies an array of them. A switch
///           between tasks costs nothing more, call_soon() and create_task() one atomic increment once anything is set.
/// Source    CPython contextvars.ContextVar
template <class T>
class ContextVar {
  static_assert(std::is_same_v<T, std::decay_t<T>> && std::is_copy_constructible_v<T>, "get() returns a copy");

 public:
  /// What set() returns: the way back.
  class Token {
   public:
    Token(Token&&) noexcept = default;
    Token& operator=(Token&&) noexcept = default;
    /// The value before; none: there was none.
    std::optional<T> old_value() const {
      if (!old_) return std::nullopt;
      return *static_cast<const T*>(old_.get());
    }

   private:
    friend class ContextVar;
    Token(std::uint64_t variable, detail::Ref<detail::ContextObject> context, detail::ContextValues::Value old)
        : variable_(variable), context_(std::move(context)), old_(std::move(old)) {}
    std::uint64_t variable_;
    detail::Ref<detail::ContextObject> context_;  // null: used
    detail::ContextValues::Value old_;
  };

  explicit ContextVar(std::string name) : name_(std::move(name)) {}
  ContextVar(std::string name, T default_value) : name_(std::move(name)), default_(std::move(default_value)) {}
  ContextVar(const ContextVar&) = delete;
  ContextVar& operator=(const ContextVar&) = delete;

  const std::string& name() const noexcept { return name_; }
  /// The value in the current context, else the default of this variable.
  /// Errors    std::out_of_range if there is neither
  T get() const {
    if (const auto value = detail::context_value(id_)) return *static_cast<const T*>(value.get());
    if (!default_) detail::throw_no_context_value(name_);
    return *default_;
  }
  /// The value in the current context, else `fallback`.
  T get(T fallback) const {
    if (const auto value = detail::context_value(id_)) return *static_cast<const T*>(value.get());
    return fallback;
  }
  /// Sets the value in the current context. Threads: any; outside of a loop a thread has a context, too.
  Token set(T value) const {
    auto stored = std::make_shared<const T>(std::move(value));
    auto old = detail::context_value(id_);
    detail::set_context_value(id_, std::move(stored));
    return Token(id_, detail::Ref<detail::ContextObject>(&detail::current_context().object()), std::move(old));
  }
  /// Sets the value back to what it was before the set() that returned the token.
  /// Errors    UsageError (token_used) the second time; std::invalid_argument if the token is of another variable or
  ///           the set() was in another context
  void reset(Token& token) const {
    const bool used = !token.context_;
    if (used || token.variable_ != id_ || token.context_.get() != &detail::current_context().object()) {
      detail::throw_bad_token(name_, used, token.variable_ == id_);
    }
    token.context_ = {};
    detail::set_context_value(id_, token.old_);
  }
  void reset(Token&& token) const { reset(token); }

 private:
  friend class Context;
  std::string name_;
  std::optional<T> default_;
  std::uint64_t id_ = detail::new_context_variable();
};

template <class T>
std::optional<T> Context::get(const ContextVar<T>& variable) const {
  const auto* value = object_->values ? object_->values->find(variable.id_) : nullptr;
  if (value == nullptr) return std::nullopt;
  return *static_cast<const T*>(value->get());
}
template <class T>
bool Context::contains(const ContextVar<T>& variable) const {
  return object_->values && object_->values->find(variable.id_) != nullptr;
}

}  // namespace coir
