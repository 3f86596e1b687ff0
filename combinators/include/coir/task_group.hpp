// SPDX-License-Identifier: MIT
// Tasks that end before the block that started them does. asyncio.TaskGroup.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include <coir/await.hpp>
#include <coir/detail/task_group_child.hpp>
#include <coir/errors.hpp>

namespace coir {

class TaskGroup;
namespace detail {
template <class F>
decltype(auto) run_task_group(F&& fn, SourceLocation where);
}

/// The children of one task_group() block, inside of it.
///
///     active --a child failed, cancel(), or the block threw--> aborting
///            --the block is left--> exiting --the last child ended--> finished
///
/// G1  unfinished_ holds the children whose end has not been seen, in order of creation; failed_ those that failed, in
///     order of failing. A child that ended otherwise is forgotten: a group may live for years.
/// G2  The block ends only when unfinished_ is empty, so no child outlives it, and a child's callback may point here.
/// G3  aborting_: the children have been cancelled, once. Further cancellations do not interrupt their clean-up.
/// G4  parent_cancelled_: the group has cancelled its own block, once, and takes that request back at the end.
///
/// Lifetime  That of the block. A pointer to a group that is used after its block is undefined behaviour, as with any
///           local variable.
/// Threads   The loop's. create_task() and cancel() may be called from any of its tasks and callbacks.
/// Source    CPython 3.13 taskgroups.py TaskGroup, with the cancel() of 3.15
class COIR_EXPORT TaskGroup {
 public:
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts fn() as a child. The task may be ignored: the group waits for it and reports its failure.
  ///
  /// Suspends  never
  /// Errors    UsageError (group_not_active) when the group is shutting down after a failure, or finished: its last child
  ///           ended while the block was waiting for them. fn is destroyed then. While the block waits, children may
  ///           start siblings.
  /// Cancel    After cancel() the child is cancelled at once: before its first step, unless it starts eagerly.
  /// Cost      create_task() and one more allocation. Forgetting a child takes constant time.
  /// Source    CPython 3.13 taskgroups.py TaskGroup.create_task; that a child which fails in an eager start cancels the
  ///           block not before a later turn is from 3.13.2 (gh-128550)
  template <class Fn>
  Task<std::invoke_result_t<std::decay_t<Fn>&>> create_task(Fn&& fn, const TaskOptions& options,
                                                            SourceLocation where = SourceLocation::current()) {
    return start(std::forward<Fn>(fn), where, options);
  }
  template <class Fn>
  Task<std::invoke_result_t<std::decay_t<Fn>&>> create_task(Fn&& fn, SourceLocation where = SourceLocation::current()) {
    return start(std::forward<Fn>(fn), where);
  }

  /// Ends the group early, without an error: cancels the children and the block, whose CancelledError goes no further
  /// than the end of task_group(). A cancellation of the block's task by others, before or after, is not swallowed.
  /// Does nothing if the group is shutting down already or finished.
  ///
  /// Suspends  never
  /// Source    CPython 3.15 taskgroups.py TaskGroup.cancel
  void cancel();

  /// Children whose end the group has not seen yet; it does so in the turn behind it.
  std::size_t size() const noexcept { return unfinished_count_; }

 private:
  friend class detail::GroupChild;
  friend class detail::GroupExit;
  template <class F>
  friend decltype(auto) detail::run_task_group(F&& fn, SourceLocation where);
  using Child = detail::GroupChild;

  explicit TaskGroup(SourceLocation where);
  ~TaskGroup();

  template <class Fn, class... Options>
  auto start(Fn&& fn, SourceLocation where, const Options&... options) {
    if (!accepts_children()) [[unlikely]] {
      if constexpr (!std::is_lvalue_reference_v<Fn>) {
        [[maybe_unused]] const std::decay_t<Fn> released(std::forward<Fn>(fn));
      }
      throw_not_active();
    }
    auto child = detail::Ref<Child>::adopt(new Child(where));  // first: it may fail, the task could not be taken back
    auto task = parent_.get_loop().create_task(std::forward<Fn>(fn), options..., where);
    add(std::move(child), task);
    return task;
  }
  bool accepts_children() const noexcept { return !(exiting_ && unfinished_.empty()) && (!aborting_ || cancelled_); }
  [[noreturn]] void throw_not_active() const;
  void add(detail::Ref<Child> child, const AnyFuture& task);
  void child_done(Child& child);
  void forget(Child& child) noexcept;
  void abort();
  void cancel_parent();

  /// Waits for the children, then throws what the block must end with, if anything. `body_error`: what left the block.
  void leave(std::exception_ptr body_error);
  void wait_for_children();
  [[noreturn]] static void throw_no_result();

  AnyTask parent_;
  const SourceLocation where_;
  Child::List unfinished_;  // G1
  Child::List failed_;      // G1
  std::size_t unfinished_count_ = 0;
  detail::Ref<detail::GroupExit> exit_;  // what the block waits on; empty when it does not
  std::exception_ptr cancellation_;      // the CancelledError that wants to leave the block
  std::exception_ptr base_error_;        // the first KeyboardInterrupt or SystemExit
  const int cancelling_at_entry_;
  int cancelling_at_cancel_ = 0;  // requests there were when cancel() came
  bool exiting_ = false;
  bool aborting_ = false;          // G3
  bool cancelled_ = false;         // by cancel()
  bool parent_cancelled_ = false;  // G4
  bool left_ = false;              // leave() has begun: what is thrown now is its own
};

namespace detail {

template <class F>
decltype(auto) run_task_group(F&& fn, SourceLocation where) {
  TaskGroup group(where);
  using Result = std::invoke_result_t<F, TaskGroup&>;
  try {
    if constexpr (std::is_void_v<Result>) {
      std::invoke(std::forward<F>(fn), group);
      group.leave(nullptr);
      return;
    } else {
      Result result = std::invoke(std::forward<F>(fn), group);
      group.leave(nullptr);
      if constexpr (std::is_reference_v<Result>) {
        return static_cast<Result>(result);
      } else {
        return result;
      }
    }
  } catch (...) {
    if (group.left_) throw;
    group.leave(std::current_exception());
  }
  if constexpr (!std::is_void_v<Result>) TaskGroup::throw_no_result();
}

}  // namespace detail

/// Runs fn(TaskGroup&) in this task, waits for the children that it has started, and returns its result.
///
///     task_group([&](TaskGroup& group) {
///       for (const Url& url : urls) group.create_task([&] { fetch(url); });
///     });  // all are fetched, or all that began have ended
///
/// A child that fails cancels its siblings and the block; a block that throws cancels the children. A child that is
/// cancelled alone does not concern the others.
///
/// Order     Children are cancelled in order of creation. Errors are in the order in which the children failed, the block's
///           own last.
/// Suspends  As fn does, then until the children have ended; without children not at all.
/// Errors    ExceptionGroup ("unhandled errors in a TaskGroup") of all that children and the block threw, except
///           CancelledError. A KeyboardInterrupt or SystemExit leaves bare, once the children have ended.
///           InvalidStateError if TaskGroup::cancel() ended a block before it returned its result: a block with a
///           result catches CancelledError and returns what it has. UsageError outside a task.
/// Cancel    Cancels the children, waits for them, and throws CancelledError. Further cancellations do not cancel them
///           again. If there are errors, too, they are thrown, and the CancelledError at the next await that suspends.
/// Lifetime  Locals of fn are gone when the children that it left behind still run: let them capture what is outside.
/// Cost      Without children nothing is allocated.
/// Source    CPython 3.13 taskgroups.py TaskGroup.__aenter__, __aexit__. The block is a callable, because a destructor
///           can neither wait nor throw; asyncio cancels in no order; the group's own request is taken back also when a
///           KeyboardInterrupt or SystemExit leaves.
template <class F>
decltype(auto) task_group(F&& fn, SourceLocation where = SourceLocation::current()) {
  detail::require_task("task_group()");
  return detail::run_task_group(std::forward<F>(fn), where);
}

}  // namespace coir
