// SPDX-License-Identifier: MIT
// Broken invariants of coir itself. Misuse that a caller can commit throws instead (errors.hpp).
#pragma once

#include <coir/detail/export.hpp>

namespace coir::detail {

/// Prints the broken fact and where it was found, then aborts. Never returns, never allocates.
[[noreturn]] COIR_EXPORT void assertion_failed(const char* condition, const char* fact, const char* file,
                                               int line) noexcept;

}  // namespace coir::detail

/// Always compiled in: for facts that are cheap to test and whose breach would corrupt memory.
#define COIR_CHECK(condition, fact)                                                       \
  (__builtin_expect(static_cast<bool>(condition), 1)                                      \
       ? static_cast<void>(0)                                                             \
       : ::coir::detail::assertion_failed(#condition, fact, __FILE__, __LINE__))

/// Compiled in unless NDEBUG. The text quotes the invariant's number: COIR_ASSERT(!queued, "I1: handle queued twice").
#ifdef NDEBUG
#define COIR_ASSERT(condition, fact) static_cast<void>(0)
#else
#define COIR_ASSERT(condition, fact) COIR_CHECK(condition, fact)
#endif
