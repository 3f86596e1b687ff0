// SPDX-License-Identifier: MIT
// The command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace linkcheck {

/// What the user asked for, checked: a directory exists, numbers are in range.
struct Options {
  unsigned concurrency = 32;                ///< transfers under way at once
  std::chrono::nanoseconds timeout{};       ///< for one transfer, connecting included
  std::size_t max_page_bytes = 16U << 20U;  ///< a larger page is reported, not kept in memory
  std::string json_file;                    ///< empty: no JSON
  bool external = false;                    ///< fetch links to other hosts, too
  bool help = false;
  std::string directory;  ///< to serve and check; empty if `url` is set
  std::string url;        ///< where to start; empty if `directory` is set
};

/// The command line cannot be understood or obeyed: what() is one line for stderr, and the exit code is 2.
class MisuseError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Errors: MisuseError
Options parse_options(int argc, const char* const* argv);

/// The text of --help.
std::string help_text();

}  // namespace linkcheck
