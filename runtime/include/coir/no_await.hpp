// SPDX-License-Identifier: MIT
// Code that must not be interleaved with other tasks says so.
#pragma once

#include <coir/detail/export.hpp>
#include <coir/source_location.hpp>

namespace coir {

namespace detail {
class TaskState;
struct NoAwaitAccess;
}  // namespace detail

/// While it exists, each await of the task that made it throws UsageError (no_await) and quotes the reason: around a
/// critical section of plain data, a C library that is not re-entrant, a callback whose caller holds a mutex.
///
///     const NoAwait guard("the cache is being rebuilt");
///
/// An await of a done future throws, too, so that the mistake does not depend on timing; taking a free Lock or an item
/// that a Queue has does not, because that is no await. Outside a task, where nothing can await, it does nothing. A task
/// that is started eagerly inside may await: its creator does not.
///
/// Suspends  never
/// Threads   Belongs to the frame that made it: a local variable, destroyed in reverse order.
/// Lifetime  `reason` is borrowed: a literal.
/// Cost      Two stores; an await pays nothing for it.
class COIR_EXPORT NoAwait {
 public:
  [[nodiscard]] explicit NoAwait(const char* reason, SourceLocation where = SourceLocation::current()) noexcept;
  ~NoAwait();
  NoAwait(const NoAwait&) = delete;
  NoAwait& operator=(const NoAwait&) = delete;

 private:
  friend struct detail::NoAwaitAccess;
  const char* reason_;
  SourceLocation where_;
  detail::TaskState* task_;  // that may not await meanwhile; null outside of one
  NoAwait* outer_;           // of this thread
};

}  // namespace coir
