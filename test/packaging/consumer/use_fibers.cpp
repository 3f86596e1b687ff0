// SPDX-License-Identifier: MIT
// A user of coir::fibers: stacks without a loop.
#include <coir/fibers/fiber.hpp>

namespace fibers = coir::fibers;

int main() {
  fibers::FiberPool pool;
  struct Assignment {
    fibers::FiberPool& pool;
    bool ran;
  } assignment{pool, false};
  pool.switch_to(pool.acquire(
      [](void* argument) noexcept -> fibers::Fiber& {
        auto& self = *static_cast<Assignment*>(argument);
        self.ran = true;
        return self.pool.host();
      },
      &assignment));
  return assignment.ran ? 0 : 1;
}
