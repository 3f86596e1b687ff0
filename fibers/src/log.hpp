// SPDX-License-Identifier: MIT
// The spdlog logger "coir". A program that registers one of that name before decides where coir's messages go.
#pragma once

#include <memory>

#include <spdlog/logger.h>

#include <coir/detail/export.hpp>

namespace coir::detail {

/// The registered logger "coir", or a new one to stderr, registered. Looked up on each call, so a user may replace it.
COIR_EXPORT std::shared_ptr<spdlog::logger> logger();

}  // namespace coir::detail
