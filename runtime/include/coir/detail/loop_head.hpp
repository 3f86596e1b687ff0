// SPDX-License-Identifier: MIT
// What inline code knows of a loop.
#pragma once

#include <cstdint>
#include <utility>

#include <coir/detail/export.hpp>

namespace coir {
class EventLoop;
}

namespace coir::detail {

class FutureState;
class LoopCore;

/// The loop that runs on this thread; null if none.
extern COIR_EXPORT COIR_TLS LoopCore* running_loop;

/// The part of a LoopCore, its first one, that inline code needs: its EventLoop, how many futures and EventLoops keep it
/// alive, and one future that is kept for its next use until the loop closes.
class LoopHead {
 public:
  static LoopHead& of(LoopCore& loop) noexcept { return reinterpret_cast<LoopHead&>(loop); }
  /// Null: there is none.
  FutureState* take() noexcept { return std::exchange(spare_, nullptr); }
  /// Takes over a reference, unless there is one already.
  bool keep(FutureState& future) noexcept {
    if (spare_ != nullptr) return false;
    spare_ = &future;
    return true;
  }
  void retain() noexcept { ++refs_; }
  void release() noexcept {
    if (--refs_ == 0) [[unlikely]] delete_loop(*this);
  }

  EventLoop* owner = nullptr;  // null once the EventLoop is destroyed

 private:
  COIR_EXPORT static void delete_loop(LoopHead& loop) noexcept;
  FutureState* spare_ = nullptr;
  std::uint32_t refs_ = 1;
};

[[noreturn]] COIR_EXPORT void throw_no_running_loop(const char* call);

}  // namespace coir::detail
