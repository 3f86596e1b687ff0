// SPDX-License-Identifier: MIT
// What coir logs, for tests to read.
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace coir::test {

/// Is the spdlog logger "coir" while it exists. Each line begins with its level.
class LogCapture {
 public:
  LogCapture() {
    spdlog::drop("coir");
    auto logger = std::make_shared<spdlog::logger>("coir", std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_));
    logger->set_pattern("%l %v");
    spdlog::register_logger(logger);
  }
  ~LogCapture() { spdlog::drop("coir"); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// While no other thread may log.
  std::string log() const { return stream_.str(); }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::istringstream text(log());
    for (std::string line; std::getline(text, line);) all.push_back(line);
    return all;
  }
  bool logged(const std::string& text) const { return log().find(text) != std::string::npos; }

 private:
  std::ostringstream stream_;
};

}  // namespace coir::test
