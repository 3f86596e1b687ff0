// SPDX-License-Identifier: MIT
#include <coir/semaphore.hpp>

#include <stdexcept>
#include <string>

#include <coir/detail/return_by_jump.hpp>
#include <coir/errors.hpp>

namespace coir {

Semaphore::Semaphore(std::ptrdiff_t value, std::ptrdiff_t bound, const char* kind, SourceLocation where)
    : value_(value), bound_(bound), line_(kind, where) {
  if (value < 0) {
    throw std::invalid_argument("Semaphore(" + std::to_string(value) + ") at " + to_string(where) +
                                ": Semaphore initial value must be >= 0");
  }
}

COIR_RETURN_BY_JUMP void Semaphore::wait_for_permit() {
  {
    detail::Waiter waiter(line_);
    try {
      waiter.wait();
    } catch (const CancelledError&) {
      if (waiter.woken()) ++value_;  // SE1
      serve(value_);
      throw;
    }
  }
  // Those who came while this task was woken but had not run were put in line although permits were there (SE2).
  serve(value_);
}

void Semaphore::serve(std::ptrdiff_t count) noexcept {
  for (; count > 0 && value_ > 0 && line_.wake_next(); --count) --value_;
}

void Semaphore::throw_bad_release(std::ptrdiff_t count) const {
  if (count < 0) {
    throw std::invalid_argument("Semaphore.release(" + std::to_string(count) + "): the count must be >= 0");
  }
  const std::string what = bound_ == max() ? "Semaphore" : "BoundedSemaphore";
  throw UsageError(UsageError::Reason::released_too_often,
                   what + ".release() of the object created at " + to_string(line_.where()) + ": " + what +
                       " released too many times, its value is " + std::to_string(value_) + " of " +
                       std::to_string(bound_) +
                       ". Call release() once for each acquire(); std::scoped_lock permit(semaphore) does both.");
}

}  // namespace coir
