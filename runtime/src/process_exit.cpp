// SPDX-License-Identifier: MIT
#include "process_exit.hpp"

#include <dlfcn.h>
#include <unwind.h>

#include <cstdint>
#include <cstring>

namespace coir::detail {
namespace {

_Unwind_Reason_Code find_exit(_Unwind_Context* context, void* found) {
  int before_instruction = 0;
  const _Unwind_Ptr address = _Unwind_GetIPInfo(context, &before_instruction);
  if (address == 0) return _URC_END_OF_STACK;
  // By name: the address that the program takes of exit() is that of a stub where it is not position-independent. The
  // call is the last thing in exit(), so the return address may be another function's.
  Dl_info info{};
  const auto call = static_cast<std::uintptr_t>(address) - (before_instruction != 0 ? 0 : 1);
  if (::dladdr(reinterpret_cast<void*>(call), &info) != 0 && info.dli_sname != nullptr &&
      std::strcmp(info.dli_sname, "exit") == 0) {
    *static_cast<bool*>(found) = true;
    return _URC_END_OF_STACK;
  }
  return _URC_NO_REASON;
}

}  // namespace

bool called_by_exit() noexcept {
  bool found = false;
  _Unwind_Backtrace(find_exit, &found);
  return found;
}

}  // namespace coir::detail
