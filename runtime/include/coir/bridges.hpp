// SPDX-License-Identifier: MIT
// Which callbacks foreign code still owes this program, and which it made that nobody expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <coir/clock.hpp>
#include <coir/detail/export.hpp>
#include <coir/source_location.hpp>

namespace coir {

class EventLoop;

/// A callback that nobody expected (any more). Its arguments are destroyed, or never looked at.
enum class Stray : std::uint8_t {
  late,         ///< the wait for it had been given up: cancelled, timed out, or the initiating call threw
  twice,        ///< it had been called before
  after_close,  ///< the loop that waited for it is closed
  unknown,      ///< its user data is no ticket, or one so old that its place has been used again since
};

/// One callback that has not come yet.
struct PendingBridge {
  enum class State : std::uint8_t {
    waiting,    ///< a task, a future or a stream waits for it
    stopping,   ///< cancelled or timed out; its canceller said that the callback will come
    abandoned,  ///< nobody waits any more, but the foreign side may still call: what keep() made stays
  };
  std::string name;      ///< BridgeOptions::name
  const char* kind;      ///< "from_callback", "future_from_callback" or "stream_from_callback"
  SourceLocation where;  ///< the call of that
  Duration age;          ///< by the loop's clock; counted from when the loop next had nothing to do
  State state;
};

/// Counts of this process.
struct BridgeStats {
  std::uint64_t late = 0;  ///< strays, by Stray
  std::uint64_t twice = 0;
  std::uint64_t after_close = 0;
  std::uint64_t unknown = 0;
  std::size_t abandoned = 0;  ///< bridges that nobody waits for, kept until the foreign side calls or lets go
  std::size_t tickets = 0;    ///< handed out as user data and not used up; at most, for each thread has some in reserve
};

/// Every callback that the running loop waits for, newest first, and those of all loops that were abandoned: the first
/// question when a program hangs. The report of a deadlock has them, too.
///
/// Threads   any: where no loop runs, the abandoned ones alone
/// Suspends  never
COIR_EXPORT std::vector<PendingBridge> pending_bridges();

/// Threads   any
/// Cost      a few loads, and one lock
COIR_EXPORT BridgeStats bridge_stats() noexcept;

/// "from_callback 'dns' at resolve.cpp:12, for 5.0 s"
COIR_EXPORT std::string to_string(const PendingBridge& bridge);

}  // namespace coir
