// SPDX-License-Identifier: MIT
// Bug: a task reads memory that it freed before it was suspended.
#include <memory>

#include "tasks.hpp"

int main() {
  planted::run_among_others([] {
    auto owner = std::make_unique<int[]>(10);
    const volatile int* volatile dangling = owner.get();  // volatile: else the compiler finds it first
    planted::pause();
    owner.reset();
    planted::pause();
    static_cast<void>(dangling[3]);
  });
}
