// SPDX-License-Identifier: MIT
#include "progress_line.hpp"

#include <coir/await.hpp>
#include <coir/sleep.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace linkcheck {
namespace {

constexpr const char* erase_line = "\r\033[K";

void show(const Checker& checker) {
  const Checker::Progress now = checker.progress();
  std::fprintf(stderr, "%spages %zu  links %zu  targets %zu of %zu  broken %zu  tasks %zu", erase_line, now.pages,
               now.links, now.decided, now.targets, now.broken, now.tasks);
  std::fflush(stderr);
}

}  // namespace

ProgressLine::ProgressLine(const Checker& checker) {
  if (::isatty(STDERR_FILENO) == 0) return;
  task_ = coir::create_task(
      [&checker] {
        while (true) {
          show(checker);
          coir::sleep(std::chrono::milliseconds(100));
        }
      },
      coir::TaskOptions{.name = "progress line"});
}

ProgressLine::~ProgressLine() {
  if (!task_) return;
  task_.cancel();
  // Returned, not thrown: that it was cancelled is how it ends.
  static_cast<void>(coir::try_await(task_));
  std::fputs(erase_line, stderr);
}

}  // namespace linkcheck
