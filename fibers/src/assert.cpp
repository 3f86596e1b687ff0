// SPDX-License-Identifier: MIT
#include <coir/detail/assert.hpp>

#include <cstdio>
#include <cstdlib>

namespace coir::detail {

void assertion_failed(const char* condition, const char* fact, const char* file, int line) noexcept {
  std::fprintf(stderr, "coir: broken invariant: %s (%s, %s:%d)\n", fact, condition, file, line);
  std::abort();
}

}  // namespace coir::detail
