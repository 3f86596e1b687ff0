// SPDX-License-Identifier: MIT
#include "log.hpp"

#include <mutex>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace coir::detail {

std::shared_ptr<spdlog::logger> logger() {
  if (auto registered = spdlog::get("coir")) return registered;
  static std::mutex mutex;  // two threads may log for the first time at once; spdlog refuses a name twice
  const std::scoped_lock lock(mutex);
  if (auto registered = spdlog::get("coir")) return registered;
  return spdlog::stderr_logger_mt("coir");
}

}  // namespace coir::detail
