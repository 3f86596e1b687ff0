// SPDX-License-Identifier: MIT
#include <coir/detail/return_by_jump.hpp>

#include "call_on_stack.hpp"

COIR_RETURN_BY_JUMP [[gnu::noinline]] int called_by_second(int value) {
#if COIR_CALL_ON_STACK
  alignas(16) static std::byte stack[16 << 10];
  coir_call_on_stack(&value, [](void* to) { ++*static_cast<int*>(to); }, stack + sizeof stack);
  return value + 1;
#else
  return value + 2;
#endif
}
