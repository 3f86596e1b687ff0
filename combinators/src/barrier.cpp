// SPDX-License-Identifier: MIT
#include <coir/barrier.hpp>

#include <stdexcept>
#include <string>

namespace coir {
namespace {

std::size_t checked(std::ptrdiff_t parties, SourceLocation where) {
  if (parties < 1) {
    throw std::invalid_argument("Barrier(" + std::to_string(parties) + ") at " + to_string(where) +
                                ": parties must be > 0");
  }
  return static_cast<std::size_t>(parties);
}

}  // namespace

/// The stay of one task inside, in the frame of its wait().
class Barrier::Inside {
 public:
  explicit Inside(Barrier& barrier) noexcept : barrier_(&barrier), previous_(barrier.last_) {
    (previous_ != nullptr ? previous_->next_ : barrier.first_) = this;
    barrier.last_ = this;
    ++barrier.count_;
  }
  ~Inside() {
    if (barrier_ == nullptr) return;
    (previous_ != nullptr ? previous_->next_ : barrier_->first_) = next_;
    (next_ != nullptr ? next_->previous_ : barrier_->last_) = previous_;
    --barrier_->count_;
    barrier_->left();
  }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  std::size_t number = 0;  // BA2; valid once released

 private:
  friend class Barrier;
  Barrier* barrier_;  // null once it is destroyed
  Inside* previous_;
  Inside* next_ = nullptr;
};

Barrier::Barrier(std::ptrdiff_t parties, SourceLocation where)
    : parties_(checked(parties, where)), line_("Barrier.wait()", where) {}

Barrier::~Barrier() {
  for (Inside* inside = first_; inside != nullptr; inside = inside->next_) inside->barrier_ = nullptr;
}

std::size_t Barrier::wait() {
  while (state_ == State::draining || state_ == State::resetting) wait_for_change();  // BA1
  if (state_ == State::broken) throw BrokenBarrierError("Barrier aborted");
  const Inside inside(*this);
  if (count_ == parties_) {
    number_those_inside();
    state_ = State::draining;
    line_.wake_all();
  } else {
    while (state_ == State::filling) wait_for_change();
    if (state_ != State::draining) throw BrokenBarrierError("Abort or reset of barrier");
  }
  return inside.number;
}

// asyncio's barrier has a Condition here. Nobody ever suspends with its lock, so that there is never a wait for it, and
// what is left of Condition.wait() is this.
void Barrier::wait_for_change() {
  detail::Waiter waiter(line_);
  try {
    waiter.wait();
  } catch (const CancelledError&) {
    line_.wake_next();
    throw;
  }
}

void Barrier::number_those_inside() noexcept {
  std::size_t number = 0;
  for (Inside* inside = first_; inside != nullptr; inside = inside->next_) inside->number = number++;
}

void Barrier::left() noexcept {
  if (count_ != 0) return;
  if (state_ == State::resetting || state_ == State::draining) state_ = State::filling;
  line_.wake_all();
}

void Barrier::reset() noexcept {
  state_ = count_ > 0 ? State::resetting : State::filling;
  line_.wake_all();
}

void Barrier::abort() noexcept {
  state_ = State::broken;
  line_.wake_all();
}

}  // namespace coir
