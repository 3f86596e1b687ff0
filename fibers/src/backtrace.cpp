// SPDX-License-Identifier: MIT
#include "backtrace.hpp"

#include <unwind.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "switch.hpp"

namespace coir::fibers {

/// One walk over a fiber's frames. Lives on the stack of whoever asks.
struct Walk {
  Fiber* asking;
  const void** addresses;
  std::size_t capacity;
  std::uintptr_t above;  // frames up to this address are left out,
  std::uintptr_t below;  // and those from this one on: they are on other stacks, which call_on_stack() has led to
  std::size_t count = 0;

  static _Unwind_Reason_Code visit(_Unwind_Context* context, void* to) {
    auto& walk = *static_cast<Walk*>(to);
    int before_instruction = 0;
    const _Unwind_Ptr address = _Unwind_GetIPInfo(context, &before_instruction);
    if (address == 0 || walk.count == walk.capacity) return _URC_END_OF_STACK;
    const std::uintptr_t frame = _Unwind_GetCFA(context);
    if (frame > walk.above && frame <= walk.below) {
      // A return address is the instruction behind the call, which may belong to another line, or function.
      walk.addresses[walk.count++] = reinterpret_cast<const void*>(address - (before_instruction != 0 ? 0 : 1));
    }
    return _URC_NO_REASON;
  }
  void run() noexcept { _Unwind_Backtrace(visit, this); }
};

namespace {

constexpr std::uintptr_t free_bytes_needed = 16 << 10;  // unwinder 4 KiB, lazy binding 3 KiB, and margin

std::uintptr_t limit_of(const Fiber& fiber) noexcept { return reinterpret_cast<std::uintptr_t>(fiber.stack.limit); }

/// Else it is suspended in the middle of a call on the host's stack.
bool suspended_on_own_stack(const Fiber& fiber) noexcept {
  const auto frame = reinterpret_cast<std::uintptr_t>(fiber.frame);
  return frame > limit_of(fiber) && frame <= reinterpret_cast<std::uintptr_t>(fiber.stack.top);
}

/// Runs on the stack of `fiber`, on top of the switch that suspended it; returns into that switch, as if it had been
/// resumed by whoever resumed this. Keeps nothing of a Walk behind the jump.
boost::context::fiber serve_walks(Fiber& fiber, boost::context::fiber asking) noexcept {
  fiber.serves_walks = true;
  while (Walk* walk = std::exchange(fiber.walk, nullptr)) {
    Fiber& to = *walk->asking;
    sanitizer::after_jump(fiber.sanitizer, to.sanitizer);
    walk->run();
    sanitizer::before_jump(fiber.sanitizer, to.sanitizer, false);
    asking = std::move(asking).resume();
  }
  // Somebody means the fiber itself: the switch below is told, and does what is due behind a jump.
  fiber.serves_walks = false;
  return asking;
}

void walk_suspended(Fiber& fiber, Walk& walk) noexcept {
  fiber.walk = &walk;
  sanitizer::before_jump(walk.asking->sanitizer, fiber.sanitizer, false);
  boost::context::fiber left =
      fiber.serves_walks ? std::move(fiber.boost_fiber()).resume()
                         : std::move(fiber.boost_fiber()).resume_with([&fiber](boost::context::fiber&& asking) {
                             return serve_walks(fiber, std::move(asking));
                           });
  sanitizer::after_jump(walk.asking->sanitizer, fiber.sanitizer);
  ::new (fiber.context) boost::context::fiber(std::move(left));
}

/// A walk from within a signal handler. Its own frames are on whatever stack and are told by what comes behind them: the
/// frame that the unwinder marks as interrupted.
struct InterruptedWalk {
  const Fiber& fiber;
  const Of of;
  const void** addresses;
  const std::size_t capacity;
  std::size_t count = 0;
  bool begun = false;

  bool on_fiber(std::uintptr_t frame) const noexcept {
    return frame > reinterpret_cast<std::uintptr_t>(fiber.stack.limit) &&
           frame <= reinterpret_cast<std::uintptr_t>(fiber.stack.top);
  }
  static _Unwind_Reason_Code visit(_Unwind_Context* context, void* to) {
    auto& walk = *static_cast<InterruptedWalk*>(to);
    int before_instruction = 0;
    const _Unwind_Ptr address = _Unwind_GetIPInfo(context, &before_instruction);
    if (address == 0 || walk.count == walk.capacity) return _URC_END_OF_STACK;
    walk.begun = walk.begun || before_instruction != 0;
    const bool of_fiber = walk.on_fiber(_Unwind_GetCFA(context));
    if (walk.begun && of_fiber && walk.of == Of::callback) return _URC_END_OF_STACK;
    if (walk.begun && (of_fiber || walk.of == Of::callback)) {
      walk.addresses[walk.count++] = reinterpret_cast<const void*>(address - (before_instruction != 0 ? 0 : 1));
    }
    return _URC_NO_REASON;
  }
};

}  // namespace

std::size_t backtrace_interrupted(FiberPool& pool, Of of, const void** addresses, std::size_t capacity) noexcept {
  InterruptedWalk walk{pool.current(), of, addresses, capacity};
  _Unwind_Backtrace(InterruptedWalk::visit, &walk);
  return walk.count;
}

void prepare_backtrace() noexcept {
  const auto nothing = [](_Unwind_Context*, void*) { return _URC_NO_REASON; };
  _Unwind_Backtrace(nothing, nullptr);
}

std::optional<std::size_t> backtrace(FiberPool& pool, Fiber& fiber, const void** addresses,
                                     std::size_t capacity) noexcept {
  const int saved = errno;
  Fiber& running = pool.current();
  Walk walk{&running, addresses, capacity, limit_of(fiber), reinterpret_cast<std::uintptr_t>(fiber.stack.top)};
  if (&fiber != &running && suspended_on_own_stack(fiber)) walk.above = reinterpret_cast<std::uintptr_t>(fiber.frame);
  // F3: its frames are found behind those of the fiber that it has called.
  Fiber* innermost = &fiber;
  while (innermost->calling != nullptr) innermost = innermost->calling;
  if (innermost == &running) {
    walk.run();
  } else if (innermost->frame != nullptr) {
    if (suspended_on_own_stack(*innermost) &&
        reinterpret_cast<std::uintptr_t>(innermost->frame) - limit_of(*innermost) < free_bytes_needed) {
      return std::nullopt;
    }
    walk_suspended(*innermost, walk);
  }
  errno = saved;
  return walk.count;
}

}  // namespace coir::fibers
