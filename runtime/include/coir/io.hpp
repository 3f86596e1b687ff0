// SPDX-License-Identifier: MIT
// Waiting for a descriptor.
#pragma once

#include <coir/detail/export.hpp>

namespace coir {

/// Returns when `fd` can be read from (written to) without blocking: data, end of file, or an error to be read.
///
/// Suspends  Always, at least until the loop polls.
/// Errors    UsageError outside a task, or (fd_in_use) if another task waits for the same descriptor and direction or
///           add_reader() (add_writer()) holds it; std::system_error if the kernel cannot poll it (EBADF; EPERM: a
///           regular file).
/// Cancel    CancelledError; the descriptor is deregistered inside cancel() already, so that it may be closed and its
///           number reused before this task runs again (cpython#131728). add_reader() and remove_reader() (add_writer(),
///           remove_writer()) on the descriptor take it away: the wait then ends as cancelled.
/// Lifetime  The descriptor must stay open until it returns. Afterwards it may be closed, without telling the loop.
/// Cost      One epoll_ctl(2), and mostly none if this task has waited for this descriptor before: the registration stays
///           when the wait ends, and the next one finds it. If nobody waits when the descriptor is ready again, one
///           more, and one early end of the loop's sleep. Where a task that has waited often for a descriptor closes it
///           and waits for another file of the same number, the loop may notice a fifth of a second late, but at most
///           once for each number and eight times in all.
/// Source    CPython selector_events.py sock_recv and its kin, without the system call
COIR_EXPORT void await_readable(int fd);
COIR_EXPORT void await_writable(int fd);

}  // namespace coir
