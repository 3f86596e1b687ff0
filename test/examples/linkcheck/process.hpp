// SPDX-License-Identifier: MIT
// linkcheck as its users meet it: a program with arguments, output, an exit code and signals.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace linkcheck_test {

struct Result {
  int exit_code = -1;  ///< 128 + signal if it was killed by one
  std::string out;
  std::string err;
  double seconds = 0;
  long peak_rss_mib = 0;

  /// The report without what differs from run to run.
  std::string stable_report() const { return out.substr(0, out.find("\nThis run\n")); }
  bool says(const std::string& text) const { return out.find(text) != std::string::npos; }
};

/// One run of linkcheck. Its output goes to files, so that it never waits for the test.
class Process {
 public:
  enum class Stderr { file, terminal };
  explicit Process(std::vector<std::string> arguments, Stderr err = Stderr::file);
  /// Kills it if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  /// Waits for the end; after `limit` it is killed with SIGKILL, and exit_code is 137.
  Result wait(std::chrono::seconds limit = std::chrono::seconds(60));

 private:
  pid_t child_ = -1;
  int out_ = -1;
  int err_ = -1;
  int terminal_ = -1;
  std::chrono::steady_clock::time_point begin_;
};

inline Result linkcheck(std::vector<std::string> arguments) { return Process(std::move(arguments)).wait(); }

}  // namespace linkcheck_test
