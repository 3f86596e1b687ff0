// SPDX-License-Identifier: MIT
// Says what keeps a loop's thread, while it does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <coir/clock.hpp>
#include <coir/detail/export.hpp>
#include <coir/stack_frame.hpp>

namespace coir {

class EventLoop;

/// What a Watchdog has found. Everything in it is a copy.
struct BlockReport {
  enum class In : std::uint8_t {
    task,      ///< a task, between two awaits
    callback,  ///< a callback of the loop
    host,      ///< the loop is a guest, and nobody pumps it: its host is busy, or does not watch backend_fd()
    loop,      ///< a hook, an exception handler or a destructor
    unknown,   ///< the thread did not answer: it blocks the signal, or is stuck in the kernel
    nothing,   ///< it is over: the loop goes on
  };
  In in = In::unknown;
  /// How long the loop has owed an answer. It may have been blocked for up to WatchdogOptions::limit before.
  Duration lasted{};
  /// "Task 'fetch' created at app.cpp:7", "callback 'tick' scheduled at app.cpp:9"; else empty
  std::string subject;
  /// The most recent call last, as AnyTask::get_stack(). Empty for `unknown` and `nothing`.
  std::vector<StackFrame> stack;
};

/// As it is logged: one line, and one for each call.
COIR_EXPORT std::string to_string(const BlockReport& report);

struct WatchdogOptions {
  /// What is too long. Found between one and two times that after it began; reported again at two, four, eight times.
  Duration limit = std::chrono::seconds(1);
  /// Gets each report, on the watchdog's thread, in place of the log. May end what blocks; must not destroy the Watchdog.
  std::function<void(const BlockReport&)> on_block = {};
  /// The signal that interrupts the blocked thread. 0: the highest real-time signal that nobody handles.
  int signal = 0;
};

/// Watches a loop from a thread of its own, and logs what blocks it - a std::future's get(), a mutex, a synchronous
/// request, an endless loop - while it does: the task or callback by name, where it was made, and its stack. A program
/// that hangs so says where.
///
///     coir::EventLoop loop;
///     coir::Watchdog watchdog(loop, {.limit = 250ms});
///
/// Once in each `limit` the loop is posted a callback, unless it sleeps: a loop that waits in the kernel is not blocked,
/// and not woken either. A guest is posted it always, because its host may have forgotten it; that wakes an idle host.
/// One that does not run is not blocked. If no answer comes within `limit`, a signal interrupts the loop's thread, once
/// for each report: the handler takes down which task runs and its return addresses, on the alternate signal stack; all
/// else is done here. A system call that it interrupts is restarted where the kernel can (SA_RESTART); poll(), select(),
/// semaphores with a timeout, and a read with one return EINTR, as for any signal.
///
/// Threads   Made and destroyed on any, while the loop exists; the loop may be closed or destroyed before the Watchdog.
///           It is no thread that could wake the loop, so deadlocks are found as without it.
/// Fork      The child has none. Destroying the copy there is allowed.
/// Errors    std::invalid_argument: a limit that is not positive, a signal that cannot be used. std::system_error: no
///           signal or no thread to be had. UsageError if the loop is closed.
/// Cost      A callback in each `limit`, while the loop is busy. Nothing else, for nobody.
/// Source    None in asyncio. Node.js blocked-at, Go's sysmon; debug mode's slow_callback_duration says it afterwards.
class COIR_EXPORT Watchdog {
 public:
  explicit Watchdog(EventLoop& loop, WatchdogOptions options = {});
  /// Waits for a report that is being made.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  class Watch;
  std::unique_ptr<Watch> watch_;
};

}  // namespace coir
