// SPDX-License-Identifier: MIT
// What is going on, for who watches.
#pragma once

#include <coir/task.hpp>

#include "checker.hpp"

namespace linkcheck {

/// While it lives, a task rewrites one line on stderr ten times a second. Does nothing where stderr is no terminal.
/// Lifetime  The destructor suspends until the task has ended; destroy it in a task, before the checker.
class ProgressLine {
 public:
  explicit ProgressLine(const Checker& checker);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  coir::Task<void> task_;  // empty where there is no terminal
};

}  // namespace linkcheck
