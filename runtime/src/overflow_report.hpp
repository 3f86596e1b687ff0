// SPDX-License-Identifier: MIT
#pragma once

#include <coir/fibers/fiber.hpp>

namespace coir::detail {

/// Names the task whose stack overflowed, where it was created and how large its stack is. Async-signal-safe.
void report_stack_overflow(const fibers::Overflow& overflow) noexcept;

}  // namespace coir::detail
