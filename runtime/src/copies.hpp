// SPDX-License-Identifier: MIT
// How many coirs there are in this process. Private to runtime/.
#pragma once

namespace coir::detail {

/// Called whenever a loop begins to run. The first time: if another copy of coir, a static library in another plug-in
/// say, has run one, that is logged as an error, with the names of both files.
///
/// An error and not an exception: each copy is right for its own loops, and two vendors' plug-ins have no say in what
/// else their host loads. What goes wrong is code of one copy in a task of the other, which finds no task there.
///
/// Threads   any
void announce_copy() noexcept;

}  // namespace coir::detail
