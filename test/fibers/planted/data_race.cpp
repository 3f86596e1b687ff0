// SPDX-License-Identifier: MIT
// Bug: a task and another thread write the same variable.
#include <thread>

#include "tasks.hpp"

namespace {

int shared = 0;
[[gnu::noinline]] void written_by_a_task() { ++shared; }
[[gnu::noinline]] void written_by_a_thread() { ++shared; }

}  // namespace

int main() {
  std::thread thread(written_by_a_thread);
  planted::run_among_others(written_by_a_task);
  thread.join();
}
