// SPDX-License-Identifier: MIT
#include <coir/task_group.hpp>

#include <new>
#include <vector>

namespace coir {
namespace detail {

void GroupChild::List::push(GroupChild& child) noexcept {
  child.earlier = first_ == nullptr ? nullptr : last_;
  child.later = nullptr;
  (first_ == nullptr ? first_ : last_->later) = &child;
  last_ = &child;
}

void GroupChild::List::remove(GroupChild& child) noexcept {
  (child.earlier == nullptr ? first_ : child.earlier->later) = child.later;
  (child.later == nullptr ? last_ : child.later->earlier) = child.earlier;
}

void GroupChild::invoke() {
  if (group != nullptr) group->child_done(*this);
}

/// Also without having run, when the loop is closed under the group.
void GroupChild::drop() noexcept {
  if (group != nullptr) group->forget(*this);
}

GroupExit::GroupExit(LoopCore& loop, const TaskGroup& group)
    : ValueState<FutureState, void>(loop, group.where_), group_(&group) {
  set_kind("task_group");
  stored_.emplace();
  trace_created();
}

void GroupExit::each_awaited(const AwaitedVisitor& visit) const {
  if (group_ == nullptr) return;
  for (const GroupChild* child = group_->unfinished_.first(); child != nullptr; child = child->later) {
    if (!child->future->done()) visit(*child->future);
  }
}

namespace {

bool is_base_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const KeyboardInterrupt&) {
    return true;
  } catch (const SystemExit&) {
    return true;
  } catch (...) {
    return false;
  }
}

bool is_cancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const CancelledError&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// One more request in place of one of those: the next await that suspends throws.
void deliver_again(const AnyTask& task) {
  task.uncancel();
  task.cancel();
}

}  // namespace
}  // namespace detail

TaskGroup::TaskGroup(SourceLocation where)
    : parent_(current_task()), where_(where), cancelling_at_entry_(parent_.cancelling()) {}

TaskGroup::~TaskGroup() {
  while (Child* child = failed_.first()) {
    failed_.remove(*child);
    child->release();
  }
}

void TaskGroup::throw_not_active() const {
  throw UsageError(
      UsageError::Reason::group_not_active,
      exiting_ && unfinished_.empty()
          ? "TaskGroup::create_task(): the group is finished: its block has been left and its last child has "
            "ended. Start the task from the block or from a child that has not ended."
          : "TaskGroup::create_task(): the group is shutting down, because a child or the block has "
            "failed or the block was cancelled. Work that must be done all the same belongs behind the "
            "group, or in a group of its own.");
}

void TaskGroup::add(detail::Ref<Child> child, const AnyFuture& task) {
  struct Registrar : AnyFuture {  // add() is for those who bring a node of their own
    explicit Registrar(const AnyFuture& future) : AnyFuture(future) {}
    using AnyFuture::add;
  };
  detail::FutureState& state = task.state();
  if (state.done() && !state.failed()) return;  // started eagerly, and over
  child->group = this;
  unfinished_.push(*child);
  ++unfinished_count_;
  Registrar(task).add(child.leak(), "task_group");
  // Also of a child that has called cancel() in its eager start: it was not here to be cancelled (gh-155418).
  if (aborting_) task.cancel();
}

void TaskGroup::forget(Child& child) noexcept {
  child.group = nullptr;
  unfinished_.remove(child);
  --unfinished_count_;
}

void TaskGroup::child_done(Child& child) {
  forget(child);
  if (unfinished_.empty() && exit_ && !exit_->done()) exit_->finish();
  detail::FutureState& task = *child.future;
  if (task.cancelled()) return;
  child.error = task.exception();
  if (child.error == nullptr) return;
  child.retain();
  failed_.push(child);
  if (base_error_ == nullptr && detail::is_base_error(child.error)) base_error_ = child.error;
  if (aborting_) return;
  abort();
  cancel_parent();
}

void TaskGroup::abort() {
  aborting_ = true;
  for (Child* child = unfinished_.first(); child != nullptr; child = child->later) {
    if (!child->future->done()) child->future->cancel({});
  }
}

void TaskGroup::cancel_parent() {
  parent_cancelled_ = true;
  parent_.cancel();
}

void TaskGroup::cancel() {
  if (aborting_ || (exiting_ && unfinished_.empty())) return;
  cancelled_ = true;
  cancelling_at_cancel_ = parent_.cancelling();
  abort();
  if (!exiting_) cancel_parent();
}

void TaskGroup::wait_for_children() {
  while (!unfinished_.empty()) {
    // No child may outlive the block, even if there is no memory to wait with.
    try {
      exit_ = detail::Ref<detail::GroupExit>::adopt(new detail::GroupExit(parent_.state().loop(), *this));
    } catch (const std::bad_alloc&) {
    }
    try {
      if (exit_) {
        detail::wait_until_done(*exit_);
        exit_->require_value();
      } else {
        detail::yield_once(static_cast<detail::TaskState&>(parent_.state()));
      }
    } catch (const CancelledError&) {
      // What comes while the group shuts down is in the task's count, except that cancel() hides who was meant.
      if (!aborting_ || cancelled_) cancellation_ = std::current_exception();
      if (!aborting_) abort();
    }
    if (exit_) exit_->forget_group();
    exit_ = {};
  }
}

void TaskGroup::leave(std::exception_ptr body_error) {
  left_ = true;
  exiting_ = true;
  if (body_error != nullptr) {
    if (detail::is_cancellation(body_error)) {
      cancellation_ = std::exchange(body_error, nullptr);
    } else if (base_error_ == nullptr && detail::is_base_error(body_error)) {
      base_error_ = body_error;
    }
    if (!aborting_) abort();
  }
  wait_for_children();

  const int requests = parent_cancelled_ ? parent_.uncancel() : parent_.cancelling();
  if (base_error_ != nullptr) std::rethrow_exception(base_error_);
  if (cancelled_ && requests <= cancelling_at_entry_) cancellation_ = nullptr;  // the group's own
  if (failed_.empty() && body_error == nullptr) {
    if (cancellation_ != nullptr) std::rethrow_exception(cancellation_);
    // The block caught one CancelledError, which stood for its group's request and for a later one of others.
    if (cancelled_ && requests > cancelling_at_cancel_) detail::deliver_again(parent_);
    return;
  }
  std::vector<std::exception_ptr> errors;
  for (const Child* child = failed_.first(); child != nullptr; child = child->later) errors.push_back(child->error);
  if (body_error != nullptr) errors.push_back(std::move(body_error));
  if (requests > 0) detail::deliver_again(parent_);
  throw ExceptionGroup("unhandled errors in a TaskGroup", std::move(errors));
}

void TaskGroup::throw_no_result() {
  throw InvalidStateError(
      "task_group(): TaskGroup::cancel() ended the block before it returned its result. Catch CancelledError in the "
      "block and return what there is, or let the block return void.");
}

}  // namespace coir
