// SPDX-License-Identifier: MIT
// Is the program being ended by exit()? Private to runtime/.
#pragma once

namespace coir::detail {

/// True in a destructor or function that exit() calls on this thread, also when main() has returned: exit() is on the
/// stack, below this call.
///
/// An atexit() handler that sets a flag would not do: it runs behind the destructors of all static objects that were
/// constructed after it was registered. Nor would asking whether an object is static: what a static unique_ptr owns is
/// not.
/// Cost      some 10 us, and locks of the dynamic linker: for what is about to fail otherwise
bool called_by_exit() noexcept;

}  // namespace coir::detail
