// SPDX-License-Identifier: MIT
// What a loop's thread is doing right now, asked from another thread. Private to runtime/.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <coir/source_location.hpp>

namespace coir::detail {

class LoopCore;

struct StackSample {
  enum class In : std::uint8_t {
    elsewhere,  ///< the loop does not run there, not any more
    task,
    callback,
    host,       ///< the loop is a guest, and not being pumped
    loop,       ///< in none of them: a hook, an exception handler, a destructor
  };
  In in = In::elsewhere;
  std::array<char, 128> name{};  // cut off; empty: a task has none but its number, a callback none
  std::uint64_t task_id = 0;
  SourceLocation where;          // created or scheduled
  std::array<const void*, 256> calls{};  // innermost first
  std::size_t call_count = 0;
};

/// Installs the signal handler, once for each signal. 0: a real-time signal that nobody handles, the highest one.
/// Returns   the signal
/// Errors    std::invalid_argument for what is no signal to be handled; std::system_error if none is free
///
/// The handler stays for as long as the process lives: taken away under a signal that a thread has blocked, that signal
/// would end the process later. Signals that are not ours go to the handler that was there before.
int install_sampler(int signal);

/// Interrupts `thread` and has it say what it does of `loop`, which is compared and never looked into from here.
///
/// None: no answer within `patience`, because the signal is blocked there, or the thread is stuck in the kernel or gone.
/// Threads   any but that thread; one at a time in the process, others wait
std::optional<StackSample> sample(const LoopCore* loop, pid_t thread, int signal, std::chrono::milliseconds patience);

}  // namespace coir::detail
