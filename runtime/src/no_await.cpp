// SPDX-License-Identifier: MIT
#include "no_await.hpp"

#include <utility>

namespace coir {

COIR_TLS NoAwait* detail::NoAwaitAccess::innermost = nullptr;

NoAwait::NoAwait(const char* reason, SourceLocation where) noexcept
    : reason_(reason),
      where_(where),
      task_(detail::running_task()),
      outer_(std::exchange(detail::NoAwaitAccess::innermost, this)) {
  // Whoever awaits looks here first: without a task every await takes the path that fails.
  detail::current_task = nullptr;
}

NoAwait::~NoAwait() {
  detail::NoAwaitAccess::innermost = outer_;
  const bool outer_forbids = outer_ != nullptr && outer_->task_ == task_;
  if (!outer_forbids) detail::current_task = task_;
}

}  // namespace coir
