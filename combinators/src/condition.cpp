// SPDX-License-Identifier: MIT
#include <coir/condition.hpp>

#include <exception>
#include <stdexcept>
#include <string>

#include <coir/errors.hpp>

namespace coir {
namespace {

/// Returns with the lock held. A cancellation does not end it; the most recent one is left in `failure`.
void acquire_at_last(Lock& lock, std::exception_ptr& failure) {
  for (;;) {
    // Not in a destructor, and each attempt outside of the catch block before: there, cancellations would not be seen.
    try {
      return lock.acquire();
    } catch (const CancelledError&) {
      failure = std::current_exception();
    }
  }
}

}  // namespace

void Condition::wait() {
  require_acquired("wait()");
  Lock& lock = *lock_;
  using Needs = detail::Waiter::Needs;
  const Needs needs = own_ ? Needs::object : Needs::wake_up;
  std::exception_ptr failure;
  // In line until the lock is held, to learn whether the condition, which may go when it has notified all, is still
  // there.
  detail::Waiter waiter(line_);
  lock.release();
  try {
    waiter.wait(needs);
  } catch (const CancelledError&) {
    failure = std::current_exception();
  } catch (const UsageError&) {
    failure = std::current_exception();
    if (needs == Needs::object) throw;  // the lock is gone, too
  }
  acquire_at_last(lock, failure);
  if (failure == nullptr) return;
  if (!waiter.orphaned()) line_.wake_next();  // CO2
  std::rethrow_exception(failure);
}

void Condition::notify(std::ptrdiff_t n) {
  require_acquired("notify()");
  if (n < 0) {
    throw std::invalid_argument("Condition.notify(" + std::to_string(n) + "): the number of tasks must be >= 0");
  }
  for (; n > 0 && line_.wake_next(); --n) {
  }
}

void Condition::notify_all() {
  require_acquired("notify_all()");
  line_.wake_all();
}

void Condition::throw_not_acquired(const char* call) const {
  throw UsageError(UsageError::Reason::not_acquired,
                   std::string("Condition.") + call + " of the Condition created at " + to_string(line_.where()) +
                       ": cannot " + call + " on un-acquired lock. Hold it: std::unique_lock held(condition), or "
                       "acquire() and release() around the call.");
}

}  // namespace coir
