// SPDX-License-Identifier: MIT
#include <coir/lock.hpp>

#include <string>

#include <coir/detail/return_by_jump.hpp>
#include <coir/errors.hpp>

namespace coir {

COIR_RETURN_BY_JUMP void Lock::wait_and_take() {
  try {
    detail::Waiter waiter(line_);
    waiter.wait();
  } catch (const CancelledError&) {
    // Out of line by now. It may have been the one whom release() woke (LK2).
    if (!locked_) wake_first();
    throw;
  }
  COIR_ASSERT(!locked_, "LK1: somebody overtook the task that was woken");
  take();
}

void Lock::wake_first() noexcept {
  detail::Waiter* first = line_.first();
  // Done: woken already, or cancelled and about to call this in its turn.
  if (first != nullptr && !first->done()) first->wake();
}

void Lock::throw_not_acquired(const char* call) const {
  throw UsageError(UsageError::Reason::not_acquired,
                   std::string(call) + " of the Lock created at " + to_string(line_.where()) +
                       ": Lock is not acquired. Call acquire() before, and release() once for each; "
                       "std::scoped_lock guard(lock) does both.");
}

}  // namespace coir
