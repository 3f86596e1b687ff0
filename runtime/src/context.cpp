// SPDX-License-Identifier: MIT
#include <coir/context.hpp>

#include <algorithm>
#include <stdexcept>

#include <coir/errors.hpp>

#include "loop_core.hpp"

namespace coir {
namespace detail {

std::atomic<bool> contexts_in_use{false};

const ContextValues::Value* ContextValues::find(std::uint64_t variable) const noexcept {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), variable,
                                   [](const Entry& entry, std::uint64_t id) { return entry.variable < id; });
  return at != entries_.end() && at->variable == variable ? &at->value : nullptr;
}

Ref<const ContextValues> ContextValues::with(const ContextValues* base, std::uint64_t variable, Value value) {
  auto* made = new ContextValues;
  auto result = Ref<const ContextValues>::adopt(made);
  if (base != nullptr) {
    made->entries_.reserve(base->entries_.size() + 1);
    made->entries_ = base->entries_;
  }
  const auto at = std::lower_bound(made->entries_.begin(), made->entries_.end(), variable,
                                   [](const Entry& entry, std::uint64_t id) { return entry.variable < id; });
  const bool there = at != made->entries_.end() && at->variable == variable;
  if (value == nullptr) {
    if (there) made->entries_.erase(at);
  } else if (there) {
    at->value = std::move(value);
  } else {
    made->entries_.insert(at, {variable, std::move(value)});
  }
  return result;
}

const ContextValues* ContextSlot::values() const noexcept {
  if ((bits_ & is_object) != 0) return reinterpret_cast<const ContextObject*>(bits_ & ~is_object)->values.get();
  return reinterpret_cast<const ContextValues*>(bits_);
}

void ContextSlot::copy(const ContextSlot& other) noexcept {
  const ContextValues* const values = other.values();
  if (values != nullptr) values->retain();
  clear();
  bits_ = reinterpret_cast<std::uintptr_t>(values);
}

void ContextSlot::share(Ref<ContextObject> object) noexcept {
  clear();
  bits_ = reinterpret_cast<std::uintptr_t>(object.leak()) | is_object;
}

ContextObject& ContextSlot::object() {
  if ((bits_ & is_object) == 0) {
    share(Ref<ContextObject>::adopt(new ContextObject(Ref<const ContextValues>(values()))));
  }
  return *reinterpret_cast<ContextObject*>(bits_ & ~is_object);
}

void ContextSlot::clear() noexcept {
  const std::uintptr_t bits = std::exchange(bits_, 0);
  if ((bits & is_object) != 0) {
    reinterpret_cast<const ContextObject*>(bits & ~is_object)->release();
  } else if (bits != 0) {
    reinterpret_cast<const ContextValues*>(bits)->release();
  }
}

ContextSlot& current_context() noexcept {
  if (TaskState* task = running_task()) return task->context;
  if (running_loop != nullptr && running_loop->running_callback != nullptr) return running_loop->running_callback->context;
  static thread_local ContextSlot of_thread;
  return of_thread;
}

std::uint64_t new_context_variable() noexcept {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

ContextValues::Value context_value(std::uint64_t variable) noexcept {
  if (!contexts_in_use.load(std::memory_order_relaxed)) return nullptr;
  const ContextValues* values = current_context().values();
  const ContextValues::Value* value = values != nullptr ? values->find(variable) : nullptr;
  return value != nullptr ? *value : nullptr;
}

void set_context_value(std::uint64_t variable, ContextValues::Value value) {
  contexts_in_use.store(true, std::memory_order_relaxed);
  ContextObject& object = current_context().object();
  object.values = ContextValues::with(object.values.get(), variable, std::move(value));
}

void throw_no_context_value(const std::string& name) {
  throw std::out_of_range("ContextVar '" + name +
                          "' has no value in this context and no default: set() it, or give a default to the constructor "
                          "or to get()");
}

void throw_bad_token(const std::string& name, bool used, bool of_this_variable) {
  const std::string what = "reset() of ContextVar '" + name + "': the token ";
  if (used) {
    throw UsageError(UsageError::Reason::token_used,
                     what + "has been used already; each set() can be taken back once");
  }
  if (!of_this_variable) throw std::invalid_argument(what + "was created by a different ContextVar");
  throw std::invalid_argument(what + "was created in a different Context: reset() in the task that called set()");
}

}  // namespace detail

Context copy_context() { return Context(detail::Ref<detail::ContextObject>::adopt(
      new detail::ContextObject(detail::Ref<const detail::ContextValues>(detail::current_context().values())))); }

}  // namespace coir
