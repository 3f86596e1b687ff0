// SPDX-License-Identifier: MIT
// Bug: a task writes behind an array on its own stack.
#include "tasks.hpp"

namespace {

[[gnu::noinline]] void write_at(volatile char* array, volatile int& index) { array[index] = 1; }

}  // namespace

int main() {
  planted::run_among_others([] {
    char array[16] = {};
    volatile int index = 16;
    planted::pause();
    write_at(array, index);
  });
}
