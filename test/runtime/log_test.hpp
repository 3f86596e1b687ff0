// SPDX-License-Identifier: MIT
// For tests of what coir logs.
#pragma once

#include "runtime_test.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

namespace coir::test {

/// Reads what coir logs: registers the spdlog logger "coir".
class LogTest : public RuntimeTest {
 protected:
  LogTest() {
    spdlog::drop("coir");
    auto logger =
        std::make_shared<spdlog::logger>("coir", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_stream_));
    logger->set_pattern("%l %v");
    spdlog::register_logger(logger);
  }
  ~LogTest() override { spdlog::drop("coir"); }

  /// While no other thread may log.
  std::string log() const { return log_stream_.str(); }
  bool logged(const std::string& text) const { return log().find(text) != std::string::npos; }

 private:
  std::ostringstream log_stream_;
};

}  // namespace coir::test
