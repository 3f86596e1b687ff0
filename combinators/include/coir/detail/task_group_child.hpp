// SPDX-License-Identifier: MIT
// What a task group keeps of each child, and what its block waits on.
#pragma once

#include <exception>

#include <coir/future.hpp>

namespace coir {
class TaskGroup;
}

namespace coir::detail {

/// The done-callback of one child, and its place in the group: an entry of one of the group's lists.
///
/// `future`, of the base, is the child's task: alive while this is listed there (the loop holds an unfinished task) and
/// while the callback is scheduled (the callback holds it).
class COIR_EXPORT GroupChild final : public HandleNode {
 public:
  /// In order of insertion. Insertion and removal take constant time and allocate nothing.
  class List {
   public:
    bool empty() const noexcept { return first_ == nullptr; }
    GroupChild* first() const noexcept { return first_; }
    void push(GroupChild& child) noexcept;
    void remove(GroupChild& child) noexcept;

   private:
    GroupChild* first_ = nullptr;
    GroupChild* last_ = nullptr;  // valid unless empty
  };

  explicit GroupChild(SourceLocation where) noexcept : HandleNode(Role::callback, where) {}

  void invoke() override;
  void drop() noexcept override;
  void destroy() noexcept override {
    drop();
    delete this;
  }

  TaskGroup* group = nullptr;   // set while this is in the list of unfinished children
  GroupChild* later = nullptr;  // links of the group's list
  GroupChild* earlier = nullptr;
  std::exception_ptr error;  // in the list of failed children

 private:
  ~GroupChild() = default;
};

/// What a block waits on at its end: done when the last child has ended.
class COIR_EXPORT GroupExit final : public ValueState<FutureState, void> {
 public:
  GroupExit(LoopCore& loop, const TaskGroup& group);
  void each_awaited(const AwaitedVisitor& visit) const override;
  void forget_group() noexcept { group_ = nullptr; }

 private:
  ~GroupExit() override = default;
  const TaskGroup* group_;  // null once the block has stopped waiting
};

}  // namespace coir::detail
