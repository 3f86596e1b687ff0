// SPDX-License-Identifier: MIT
#include "sanitizer.hpp"

#include <atomic>

#include <spdlog/logger.h>

#include "log.hpp"

// There if the program brings the sanitizer's runtime, which the linker decides when the program starts.
extern "C" {
[[gnu::weak]] void __asan_init();  // NOLINT(bugprone-reserved-identifier)
[[gnu::weak]] void __tsan_init();  // NOLINT(bugprone-reserved-identifier)
}

namespace coir::fibers::sanitizer {

void warn_unless_told() noexcept {
  static std::atomic<bool> looked{false};
  if (looked.exchange(true, std::memory_order_relaxed)) return;
  try {
    if (!COIR_ASAN && &__asan_init != nullptr) {
      detail::logger()->warn(
          "This program has AddressSanitizer and its coir has not: once an exception leaves a task, errors are reported "
          "that are none (stack-use-after-scope). Build coir with -DCOIR_SANITIZE=address, with a prefix of its own, and "
          "link that one (docs/debugging.md).");
    }
    if (!COIR_TSAN && &__tsan_init != nullptr) {
      detail::logger()->warn(
          "This program has ThreadSanitizer and its coir has not: it takes all tasks for one function, reports errors "
          "that are none, and may crash. Build coir with -DCOIR_SANITIZE=thread, with a prefix of its own, and link that "
          "one (docs/debugging.md).");
    }
  } catch (...) {  // no memory for a warning
  }
}

}  // namespace coir::fibers::sanitizer
