// SPDX-License-Identifier: MIT
#include <coir/detail/return_by_jump.hpp>

#include "call_on_stack.hpp"

#include <cstddef>

int called_by_second(int value);

COIR_RETURN_BY_JUMP [[gnu::noinline]] int called_by_first(int value) { return value + 1; }

int main() {
  int value = called_by_second(called_by_first(1));
#if COIR_CALL_ON_STACK
  alignas(16) static std::byte stack[16 << 10];
  coir_call_on_stack(&value, [](void* to) { ++*static_cast<int*>(to); }, stack + sizeof stack);
  return value == 5 ? 0 : 1;
#else
  return value == 4 ? 0 : 1;
#endif
}
