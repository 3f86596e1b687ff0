// SPDX-License-Identifier: MIT
// Bug: a task decides by a value on its stack that nobody wrote.
#include <cstdio>

#include "tasks.hpp"

namespace {

[[gnu::noinline]] void leave_alone(volatile int*) {}

}  // namespace

int main() {
  planted::run_among_others([] {
    volatile int values[64];
    leave_alone(values);
    planted::pause();
    if (values[17] == 4711) std::puts("by chance");
  });
}
