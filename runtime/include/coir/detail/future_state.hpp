// SPDX-License-Identifier: MIT
// What all handles of one future share.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

#include <coir/detail/export.hpp>
#include <coir/detail/handle_node.hpp>
#include <coir/detail/loop_head.hpp>
#include <coir/detail/recycler.hpp>
#include <coir/detail/ref.hpp>
#include <coir/source_location.hpp>

namespace coir::detail {

class FutureState;
class LoopCore;
class TaskState;

using AwaitedVisitor = std::function<void(const FutureState&)>;

/// The untyped half of a future: state, callbacks, failure.
///
///     pending --set_result--> finished with a value
///             --set_exception--> finished with an exception
///             --cancel--> cancelled
///
/// S1  callbacks is non-empty only while pending: completing moves the whole list to the loop's ready queue, in order of
///     registration, and runs none of it (promise P2).
/// S2  A node in the list is not counted by the future and does not count it; once scheduled it holds the future.
/// S3  `unretrieved` is set exactly while finished with an exception that nobody has looked at; a state that dies with
///     it reports the failure to the loop's exception handler.
///
/// Threads   The loop's. The count is not atomic.
/// Source    CPython Lib/asyncio/futures.py, class Future.
class COIR_EXPORT FutureState : public Recycled {
 public:
  enum class State : std::uint8_t { pending, cancelled, finished };

  FutureState(LoopCore& loop, SourceLocation where) noexcept : loop_(&loop), where_(where) { head().retain(); }
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;

  void retain() noexcept { ++refs_; }
  void release() noexcept {
    if (--refs_ != 0) return;
    if (first_ != nullptr || unretrieved_) [[unlikely]] return dispose();
    delete this;
  }
  std::uint32_t references() const noexcept { return refs_; }

  bool done() const noexcept { return state_ != State::pending; }
  bool cancelled() const noexcept { return state_ == State::cancelled; }
  bool failed() const noexcept { return exception_ != nullptr; }
  bool is_task() const noexcept { return is_task_; }
  bool unretrieved() const noexcept { return unretrieved_; }
  LoopCore& loop() const noexcept { return *loop_; }
  const std::string& cancel_message() const noexcept;
  SourceLocation where() const noexcept { return where_; }
  /// What kind of future this is, for messages and traces: "Future", "Task", "sleep", "gather".
  const char* kind() const noexcept { return kind_; }
  void set_kind(const char* literal) noexcept { kind_ = literal; }
  /// Tells the loop's tracer, if any, that this future of that kind exists.
  void trace_created();

  /// Virtual because a gather passes it on to its children and a task to what it waits on.
  virtual bool cancel(std::string message);
  /// Null if finished with a value. Marks the failure as retrieved. Errors: as Future::exception().
  std::exception_ptr exception();
  /// Returns if there is a value, else throws what result() throws. Marks the failure as retrieved.
  void require_value() {
    if (state_ != State::finished || exception_ != nullptr) [[unlikely]] throw_no_value();
  }
  /// The same, and gives up one reference if it throws.
  void require_value_or_release() {
    if (state_ != State::finished || exception_ != nullptr) [[unlikely]] throw_no_value_and_release();
  }
  /// The reason why there is no value: the failure, or a CancelledError. Only when done without a value.
  std::exception_ptr reason();
  void mark_retrieved() noexcept { unretrieved_ = false; }

  void require_pending(const char* call) const {
    if (done() || is_task_) [[unlikely]] throw_not_settable(call);
  }
  /// pending -> finished. The value, if any, is in place.
  void finish() noexcept { complete(State::finished); }
  void finish(std::exception_ptr exception) noexcept;

  /// Appends the node and takes its first reference over; schedules it if done. Cost: constant.
  void add_callback(HandleNode& node) noexcept {
    node.future = this;
    if (done()) [[unlikely]] return schedule_callback(node);
    node.next = nullptr;
    node.previous = first_ == nullptr ? nullptr : last_;
    (first_ == nullptr ? first_ : last_->next) = &node;
    last_ = &node;
    node.listed = true;
  }
  /// The same as a call of add_done_callback(): checked and traced. The context is the caller's business.
  /// Errors    UsageError if the loop is closed, or in debug mode on another thread; nothing is taken then
  void add_done_callback(HandleNode& node, const char* name);
  /// The callback that was added last and has not been scheduled yet; null if none.
  const HandleNode* newest_callback() const noexcept { return first_ != nullptr ? last_ : nullptr; }
  /// Unlinks a node that is still listed here and drops it. False: it is not, any more.
  bool remove_callback(HandleNode& node) noexcept;

  /// Visits the unfinished futures that must be done before this one can be, as far as it knows them: a task's awaited
  /// future, a gather's children, the task that holds a lock. For reports; not called otherwise.
  virtual void each_awaited(const AwaitedVisitor& visit) const { static_cast<void>(visit); }

  virtual const std::type_info& value_type() const noexcept { return typeid(void); }
  virtual const void* value_address() const noexcept { return nullptr; }

 protected:
  /// It had a value, and the caller has the only handle.
  bool renewable() const noexcept { return refs_ == 1 && state_ == State::finished && exception_ == nullptr; }
  /// As new. Only if renewable.
  void renew(const char* kind, SourceLocation where) noexcept {
    state_ = State::pending;
    kind_ = kind;
    where_ = where;
  }
  virtual ~FutureState() {
    if (first_ != nullptr) [[unlikely]] drop_callbacks();
    head().release();
  }
  /// The last handle went while callbacks are listed. True: what will complete this future anyway has taken a reference,
  /// so that they run. Without an override they go with the future, which nobody can complete any more.
  virtual bool kept_by_source() noexcept { return false; }
  /// The last reference went while there are callbacks or an unretrieved failure, which is reported (S3); then deletes.
  void dispose() noexcept;
  void complete(State state) noexcept;
  void set_cancel_message(std::string message);
  bool take_cancelled(std::string message);

  // Pointer to the stored value, of the type that the typed handle knows; set by ValueState.
  void* value_ = nullptr;

 private:
  friend class TaskState;
  friend struct DebugLayout;
  template <class T>
  friend struct ValueAccess;
  LoopHead& head() const noexcept { return LoopHead::of(*loop_); }
  void make_callbacks_ready() noexcept;
  void complete_watched() noexcept;
  void schedule_callback(HandleNode& node) noexcept;
  void drop_callbacks() noexcept;
  [[noreturn]] void throw_no_value();
  [[noreturn]] void throw_no_value_and_release();
  [[noreturn]] void throw_not_settable(const char* call) const;

  LoopCore* const loop_;
  HandleNode* first_ = nullptr;  // S1
  HandleNode* last_ = nullptr;   // valid unless first_ is null
  std::exception_ptr exception_;
  std::unique_ptr<std::string> cancel_message_;  // null: empty
  const char* kind_ = "Future";
  SourceLocation where_;
  std::uint32_t refs_ = 1;
  State state_ = State::pending;
  bool unretrieved_ = false;  // S3
  bool is_task_ = false;
};

/// How a T is kept: a reference as a pointer, void as nothing.
template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, std::monostate,
                                  std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>;

/// Adds room for the value to FutureState or to TaskState.
template <class Base, class T>
class ValueState : public Base {
 public:
  template <class... Args>
  explicit ValueState(Args&&... args) : Base(std::forward<Args>(args)...) {
    this->value_ = &stored_;
  }
  const std::type_info& value_type() const noexcept override { return typeid(Stored<T>); }
  const void* value_address() const noexcept override { return stored_.has_value() ? &*stored_ : nullptr; }

 protected:
  ~ValueState() override = default;
  std::optional<Stored<T>> stored_;
};

/// Reaches the value of a state whose T the caller knows, whatever it is derived from.
template <class T>
struct ValueAccess {
  static std::optional<Stored<T>>& of(FutureState& state) noexcept {
    return *static_cast<std::optional<Stored<T>>*>(state.value_);
  }
};

}  // namespace coir::detail
