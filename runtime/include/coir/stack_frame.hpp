// SPDX-License-Identifier: MIT
// One function on a task's stack. inspect.FrameInfo.
#pragma once

#include <string>

#include <coir/detail/export.hpp>

namespace coir {

/// A function that has been called and has not returned, and where in it the next call was made. An inlined function
/// has a frame, too, if its program has debug information and coir was built with libdw.
///
/// `function` is the qualified name, without parameters and long template arguments; a lambda is "load_all::<lambda>".
/// If no symbol says, it is "program+0x1f30", as addr2line takes it. `file` is empty and `line` 0 if there is no debug
/// information.
struct StackFrame {
  const void* address = nullptr;  ///< inside the call; null: none was walked, the frame is all that is known
  std::string function;
  std::string file;
  unsigned line = 0;
};

/// `File "server.cpp", line 42, in serve`; without what is not known.
COIR_EXPORT std::string to_string(const StackFrame& frame);

}  // namespace coir
