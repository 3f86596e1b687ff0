// SPDX-License-Identifier: MIT
#include <coir/detail/wait_line.hpp>

#include <string>
#include <utility>

#include <coir/errors.hpp>

namespace coir::detail {

WaitLineState::WaitLineState(LoopCore& loop, const WaitLine& line)
    : ValueState<FutureState, void>(loop, line.where()), line_(&line) {
  set_kind(line.kind());
  stored_.emplace();
}

inline Ref<WaitLineState> WaitLineState::make(LoopCore& loop, const WaitLine& line) {
  FutureState* const spare = LoopHead::of(loop).take();
  if (spare == nullptr) return Ref<WaitLineState>::adopt(new WaitLineState(loop, line));
  auto* const state = static_cast<WaitLineState*>(spare);  // nobody else keeps any
  state->renew(line.kind(), line.where());
  state->line_ = &line;
  return Ref<WaitLineState>::adopt(state);
}

inline void WaitLineState::retire(Ref<WaitLineState> state) noexcept {
  state->forget_line();
  if (state->renewable() && LoopHead::of(state->loop()).keep(*state)) state.leak();
}

void WaitLineState::each_awaited(const AwaitedVisitor& visit) const {
  if (line_ == nullptr || line_->holder() == 0) return;
  const AnyFuture self(Ref<FutureState>(const_cast<WaitLineState*>(this)));
  for (const AnyTask& task : all_tasks(self.get_loop())) {
    if (static_cast<const TaskState&>(task.state()).id() == line_->holder()) visit(task.state());
  }
}

Waiter::Waiter(WaitLine& line) : line_(&line) {
  LoopCore& loop = require_task(line.kind()).loop();
  if (line.loop_ == nullptr) line.loop_ = &loop;
  if (line.loop_ != &loop) {
    throw UsageError(UsageError::Reason::wrong_loop,
                     std::string(line.kind()) + " of the object created at " + to_string(line.where()) +
                         ": it is bound to a different event loop, because tasks have waited for it there. Make one "
                         "for each loop.");
  }
  state_ = WaitLineState::make(loop, line);
  state_->trace_created();
  line.waiting_.push(*this);
}

Waiter::~Waiter() {
  if (line_ != nullptr) (woken() ? line_->woken_ : line_->waiting_).remove(*this);
  WaitLineState::retire(std::move(state_));
}

void Waiter::throw_lost() const {
  throw UsageError(UsageError::Reason::destroyed_while_waiting,
                   state_->kind() + std::string(": the object created at ") + to_string(state_->where()) +
                       " was destroyed while this task waited for it. Let it outlive the tasks that use it.");
}

void Waiter::wake() noexcept {
  line_->waiting_.remove(*this);
  line_->woken_.push(*this);
  state_->finish();
}

void Waiter::List::push(Waiter& waiter) noexcept {
  waiter.previous_ = last;
  waiter.next_ = nullptr;
  (last != nullptr ? last->next_ : first) = &waiter;
  last = &waiter;
}

void Waiter::List::remove(Waiter& waiter) noexcept {
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last) = waiter.previous_;
}

std::size_t WaitLine::count_waiting() const noexcept {
  std::size_t count = 0;
  for (const Waiter* waiter = waiting_.first; waiter != nullptr; waiter = waiter->next_) {
    if (!waiter->done()) ++count;
  }
  return count;
}

void WaitLine::abandon() noexcept {
  for (Waiter* waiter = woken_.first; waiter != nullptr; waiter = waiter->next_) {
    waiter->line_ = nullptr;
    waiter->state_->forget_line();
  }
  for (Waiter* waiter = waiting_.first; waiter != nullptr; waiter = waiter->next_) {
    waiter->line_ = nullptr;
    waiter->state_->forget_line();
    if (waiter->done()) continue;
    waiter->stranded_ = true;
    waiter->state_->finish();
  }
}

}  // namespace coir::detail
