// SPDX-License-Identifier: MIT
// Where a callback or a task keeps the values of context variables.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <coir/detail/export.hpp>
#include <coir/detail/ref.hpp>

namespace coir::detail {

/// Base of what contexts are made of: counted atomically, because to_thread() and call_soon_threadsafe() carry contexts
/// from thread to thread.
template <class Derived>
class SharedBetweenThreads {
 public:
  void retain() const noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete static_cast<const Derived*>(this);
  }

 protected:
  SharedBetweenThreads() = default;
  SharedBetweenThreads(const SharedBetweenThreads&) = delete;
  SharedBetweenThreads& operator=(const SharedBetweenThreads&) = delete;
  ~SharedBetweenThreads() = default;

 private:
  mutable std::atomic<std::size_t> refs_{1};
};

/// The values of all variables at one moment; never changes. A sorted array: programs have a handful of variables.
class COIR_EXPORT ContextValues final : public SharedBetweenThreads<ContextValues> {
 public:
  using Value = std::shared_ptr<const void>;

  /// Null if the variable has none. Cost: O(log n).
  const Value* find(std::uint64_t variable) const noexcept;
  std::size_t size() const noexcept { return entries_.size(); }
  /// A copy of `base`, which may be null, with another value for one variable; null takes it out. Cost: linear.
  static Ref<const ContextValues> with(const ContextValues* base, std::uint64_t variable, Value value);

 private:
  struct Entry {
    std::uint64_t variable;
    Value value;
  };
  std::vector<Entry> entries_;  // by variable
};

/// What a Context handle names: a place for values that several may share.
class ContextObject final : public SharedBetweenThreads<ContextObject> {
 public:
  explicit ContextObject(Ref<const ContextValues> initial) noexcept : values(std::move(initial)) {}
  Ref<const ContextValues> values;  // null: none
};

/// The context of one callback or task. Nothing, while no variable is set: copying that is copying a null pointer.
///
/// X1  Holds nothing, a snapshot of values that nobody changes, or an object that may be shared. set() and object() turn
///     the former two into the third; a copy is always a snapshot.
class COIR_EXPORT ContextSlot {
 public:
  ContextSlot() noexcept = default;
  ContextSlot(const ContextSlot&) = delete;
  ContextSlot& operator=(const ContextSlot&) = delete;
  ~ContextSlot() {
    if (bits_ != 0) [[unlikely]] clear();
  }

  bool empty() const noexcept { return bits_ == 0; }
  /// The current values of `other` become this slot's.
  void copy(const ContextSlot& other) noexcept;
  void share(Ref<ContextObject> object) noexcept;
  ContextObject& object();
  const ContextValues* values() const noexcept;
  void clear() noexcept;
  friend void swap(ContextSlot& a, ContextSlot& b) noexcept { std::swap(a.bits_, b.bits_); }

 private:
  static constexpr std::uintptr_t is_object = 1;
  std::uintptr_t bits_ = 0;  // X1: a ContextValues*, or a ContextObject* with the lowest bit set
};

/// Set by the first ContextVar::set() of the process, never reset: until then copying contexts is skipped.
extern std::atomic<bool> contexts_in_use;  // not exported: read by this library alone, without a detour

/// The slot of the task, else of the callback, else of the thread that runs.
COIR_EXPORT ContextSlot& current_context() noexcept;

/// What call_soon() and create_task() do.
inline void copy_current_context(ContextSlot& to) noexcept {
  if (contexts_in_use.load(std::memory_order_relaxed)) [[unlikely]] to.copy(current_context());
}

/// Makes `object` the current context while it exists.
class COIR_EXPORT EnteredContext {
 public:
  explicit EnteredContext(Ref<ContextObject> object) noexcept : slot_(current_context()) {
    outer_.share(std::move(object));
    swap(slot_, outer_);
  }
  ~EnteredContext() { swap(slot_, outer_); }
  EnteredContext(const EnteredContext&) = delete;
  EnteredContext& operator=(const EnteredContext&) = delete;

 private:
  ContextSlot& slot_;  // of the task, callback or thread that entered; the destructor runs in the same
  ContextSlot outer_;
};

COIR_EXPORT std::uint64_t new_context_variable() noexcept;
/// Value of the variable in the current context; null if it has none.
COIR_EXPORT ContextValues::Value context_value(std::uint64_t variable) noexcept;
COIR_EXPORT void set_context_value(std::uint64_t variable, ContextValues::Value value);

}  // namespace coir::detail
