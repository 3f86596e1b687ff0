// SPDX-License-Identifier: MIT
// From addresses to names. Private to runtime/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <coir/stack_frame.hpp>

namespace coir::detail {

/// The functions that an address is in: the innermost inlined one first, the one that owns the code last. Never empty.
///
/// With libdw (COIR_WITH_LIBDW): from symbol tables and debug information of the modules, or of /usr/lib/debug by build
/// id; nothing is downloaded. Without it, or with COIR_LIBDW=0 in the environment: from exported symbols, by dladdr().
///
/// Threads   any
/// Cost      Some microseconds; the first call, and the first after a dlopen(), reads what the process has loaded.
std::vector<StackFrame> symbolize(const void* address);

/// Whether the function that owns the code at an address is C, or assembly: what debug information says, else no, if its
/// name is a mangled one. None: neither tells.
std::optional<bool> written_in_c(const void* address);

/// "void shop::load<int>(int)::{lambda()#1}::operator()() const" -> "shop::load<int>::<lambda>".
std::string plain_name(const std::string& demangled);
std::string demangle(const char* name);
/// "program+0x1f30"
std::string offset_in_module(const void* address);

#if COIR_WITH_LIBDW
/// Empty if libdw does not know the module.
std::vector<StackFrame> symbolize_by_libdw(const void* address);
std::optional<bool> written_in_c_by_libdw(const void* address);
#endif

}  // namespace coir::detail
