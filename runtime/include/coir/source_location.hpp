// SPDX-License-Identifier: MIT
// Where something was created.
#pragma once

#include <string>

#include <coir/detail/export.hpp>

namespace coir {

/// File and line of a caller, captured by a default argument. std::source_location would do, but Clang before 16 does
/// not implement it with libstdc++. `file` points to a literal; a null file means unknown.
struct SourceLocation {
  const char* file = nullptr;
  unsigned line = 0;

  static constexpr SourceLocation current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
    return {file, line};
  }
};

/// "server.cpp:42", without the folders; "unknown place" without a file.
COIR_EXPORT std::string to_string(const SourceLocation& location);

}  // namespace coir
