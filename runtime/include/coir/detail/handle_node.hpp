// SPDX-License-Identifier: MIT
// One callback waiting to run, as the loop links it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <coir/clock.hpp>
#include <coir/detail/assert.hpp>
#include <coir/detail/context_slot.hpp>
#include <coir/detail/recycler.hpp>
#include <coir/source_location.hpp>

namespace coir::detail {

class FutureState;
class LoopCore;

/// Intrusive node of every callback: call_soon, timers, readers, done-callbacks, and the step of each task.
///
/// N1  A node is in at most one container: a ready queue, the inbox, the timers, or one future's callback list.
/// N2  The container owns one reference, except for task steps, which the loop's list of tasks keeps alive.
/// N3  The callable is destroyed on the loop's thread: after it ran, or when a cancelled node is dropped.
///
/// Threads   The loop's, but for nodes marked `shared`: those are counted atomically, and cancelled is then the only
///           field that another thread may write.
class COIR_EXPORT HandleNode : public Recycled {
 public:
  enum class Role : std::uint8_t { callback, task_step };

  HandleNode(Role is, SourceLocation created_at) noexcept : scheduled_at(created_at), role(is) {}
  HandleNode(const HandleNode&) = delete;
  HandleNode& operator=(const HandleNode&) = delete;

  void retain() noexcept {
    if (shared) {
      std::atomic_ref(refs).fetch_add(1, std::memory_order_relaxed);
    } else {
      ++refs;
    }
  }
  void release() noexcept {
    const bool last = shared ? std::atomic_ref(refs).fetch_sub(1, std::memory_order_acq_rel) == 1 : --refs == 0;
    if (last) destroy();
  }

  /// For who holds a reference: whether nobody else does. The acquire pairs with the release of who was the last to go.
  bool only_reference() noexcept {
    return (shared ? std::atomic_ref(refs).load(std::memory_order_acquire) : refs) == 1;
  }

  virtual void invoke() = 0;
  /// Destroys the callable; nothing if that has happened.
  virtual void drop() noexcept = 0;
  virtual void destroy() noexcept = 0;

  SourceLocation scheduled_at;
  const char* name = nullptr;         // literal; null: unnamed
  ContextSlot context;                // current while this runs
  // From here on what every pass through a ready queue looks at, together with what a task adds: one or two cache lines.
  FutureState* future = nullptr;      // the future whose callback this is; counted once the callback is scheduled
  HandleNode* previous = nullptr;     // valid in a future's callback list; in the inbox a hint
  HandleNode* next = nullptr;
  std::uint32_t refs = 1;
  const Role role;
  bool shared = false;                // set before the node is published, never changed
  bool listed = false;                // in the callback list of `future`
  bool timed = false;                 // in the timers
  bool queued = false;                // in a ready queue or the inbox
  bool running = false;
  bool persistent = false;            // a reader or writer: runs again and again, until it is removed
  std::atomic<bool> cancelled{false};

 protected:
  ~HandleNode() = default;
};

/// A node with a deadline.
class COIR_EXPORT TimerNode : public HandleNode {
 public:
  TimerNode(LoopCore& owner, TimePoint deadline, SourceLocation created_at) noexcept
      : HandleNode(Role::callback, created_at), loop(&owner), when(deadline) {}
  /// Due `delay` behind a moment that is not known yet: see TimerQueue Q3.
  TimerNode(LoopCore& owner, Duration delay, SourceLocation created_at) noexcept
      : HandleNode(Role::callback, created_at), loop(&owner), when(delay), unsettled(true) {}
  LoopCore* const loop;        // valid while `timed`
  TimePoint when;              // while unsettled: the delay, as if from the clock's epoch
  std::uint64_t sequence = 0;  // orders equal deadlines; valid while `timed`
  std::size_t position = 0;    // in the heap; valid while `timed` and settled
  bool unsettled = false;

 protected:
  ~TimerNode() = default;
};

/// A hook that says, each time it runs, until when the loop may sleep.
class COIR_EXPORT PrepareNode : public HandleNode {
 public:
  using HandleNode::HandleNode;
  TimePoint deadline = TimePoint::max();

 protected:
  ~PrepareNode() = default;
};

/// A node that holds its callable inline.
template <class Base, class Fn>
class CallbackNode final : public Base {
 public:
  template <class F, class... Args>
  explicit CallbackNode(F&& fn, Args&&... args) : Base(std::forward<Args>(args)...) {
    ::new (static_cast<void*>(&fn_)) Fn(std::forward<F>(fn));
  }
  ~CallbackNode() { drop(); }
  void invoke() override {
    if constexpr (std::is_base_of_v<PrepareNode, Base>) {
      this->deadline = fn_();
    } else {
      static_cast<void>(fn_());
    }
  }
  void drop() noexcept override {
    if (std::exchange(alive_, false)) std::destroy_at(&fn_);
  }
  void destroy() noexcept override { delete this; }

 private:
  bool alive_ = true;
  union {
    Fn fn_;
  };
};

template <class Fn>
HandleNode* make_callback(Fn&& fn, SourceLocation where) {
  static_assert(std::is_invocable_v<std::decay_t<Fn>&>, "a callback is called without arguments: wrap it in a lambda");
  return new CallbackNode<HandleNode, std::decay_t<Fn>>(std::forward<Fn>(fn), HandleNode::Role::callback, where);
}

template <class Fn>
PrepareNode* make_prepare(Fn&& fn, SourceLocation where) {
  static_assert(std::is_invocable_r_v<TimePoint, std::decay_t<Fn>&>,
                "a prepare hook takes nothing and returns a TimePoint: until when the loop may sleep");
  return new CallbackNode<PrepareNode, std::decay_t<Fn>>(std::forward<Fn>(fn), HandleNode::Role::callback, where);
}

/// `when`: a TimePoint, or a Duration from now on.
template <class Fn, class When>
TimerNode* make_timer(LoopCore& loop, Fn&& fn, When when, SourceLocation where) {
  static_assert(std::is_invocable_v<std::decay_t<Fn>&>, "a callback is called without arguments: wrap it in a lambda");
  return new CallbackNode<TimerNode, std::decay_t<Fn>>(std::forward<Fn>(fn), loop, when, where);
}

/// FIFO of nodes linked by `next`.
class NodeQueue {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  HandleNode* front() const noexcept { return head_; }
  void push(HandleNode& node) noexcept {
    node.next = nullptr;
    if (head_ == nullptr) {
      head_ = &node;
    } else {
      tail_->next = &node;
    }
    tail_ = &node;
  }
  HandleNode* pop() noexcept {
    HandleNode* node = head_;
    if (node != nullptr) head_ = node->next;
    return node;
  }
  /// All of it as a chain; the queue is empty afterwards. Moving the two pointers of a queue instead compiles to one
  /// 16-byte load behind two 8-byte stores, which the processor cannot forward: a stall in every turn.
  HandleNode* take() noexcept { return std::exchange(head_, nullptr); }
  /// Moves all of `other` behind what is here, in constant time.
  void append(NodeQueue&& other) noexcept { append(std::exchange(other.head_, nullptr), other.tail_); }
  /// The same for a chain that ends at `last`.
  void append(HandleNode* first, HandleNode* last) noexcept {
    if (first == nullptr) return;
    if (head_ == nullptr) {
      head_ = first;
    } else {
      tail_->next = first;
    }
    tail_ = last;
  }

 private:
  HandleNode* head_ = nullptr;
  HandleNode* tail_ = nullptr;  // valid unless empty
};

}  // namespace coir::detail
