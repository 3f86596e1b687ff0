// SPDX-License-Identifier: MIT
// Waiting for a descriptor, with a limit. Private to runtime/.
#pragma once

#include <coir/clock.hpp>

#include "poller.hpp"

namespace coir::detail {

/// As await_readable() or await_writable(). False: it was not ready within `limit`; Duration::max() is none.
bool await_ready_within(int fd, Poller::Direction direction, const char* call, Duration limit);

}  // namespace coir::detail
