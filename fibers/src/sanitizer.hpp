// SPDX-License-Identifier: MIT
// What ASan, TSan and Valgrind must be told about stacks and switches; empty where none of them is present.
//
// Boost annotates only its ucontext backend, so all of it is here. The order of calls at a switch is fixed by the
// sanitizers' runtimes and kept in switch.hpp.
#pragma once

#include <cstddef>

#include <coir/detail/export.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define COIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COIR_ASAN 1
#endif
#endif
#ifndef COIR_ASAN
#define COIR_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define COIR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COIR_TSAN 1
#endif
#endif
#ifndef COIR_TSAN
#define COIR_TSAN 0
#endif

#if COIR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if COIR_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#define COIR_VALGRIND 1
#else
#define COIR_VALGRIND 0
#endif

namespace coir::fibers::sanitizer {

/// Logs one warning for the process if its program is built with AddressSanitizer or ThreadSanitizer, and coir is not:
/// then nobody tells that of the switches. Telling it only where it is present would cost each switch of every other
/// program two tests.
COIR_EXPORT void warn_unless_told() noexcept;

/// A fiber as its sanitizer knows it.
struct FiberState {
#if COIR_ASAN
  void* fake_stack = nullptr;     // valid while the fiber is suspended
  const void* bottom = nullptr;   // of the host: learnt when it is left for the first time
  std::size_t bytes = 0;
#endif
#if COIR_TSAN
  void* tsan_fiber = nullptr;
#endif
};

/// Whether Valgrind's Memcheck watches. Its other tools count or trace: they should see what runs without them.
inline bool under_memcheck() noexcept {
#if COIR_VALGRIND
  const char probe = 0;
  char bits = 0;
  return VALGRIND_GET_VBITS(&probe, &bits, 1) != 0;  // 0 from every other tool, and without Valgrind
#else
  return false;
#endif
}

/// Called once for each new stack, before anything runs on it.
inline void register_stack([[maybe_unused]] std::byte* limit, [[maybe_unused]] std::byte* top) noexcept {
#if COIR_VALGRIND
  // Without this a switch looks like one stack growing by megabytes. The id is not kept: the registration of a stack
  // lives as long as its slab, and Valgrind drops what lies in an unmapped range.
  VALGRIND_STACK_REGISTER(limit, top);
#endif
}

/// Called before a range of stacks is unmapped, so that whoever gets the addresses next starts clean.
inline void forget_stacks([[maybe_unused]] std::byte* base, [[maybe_unused]] std::size_t bytes) noexcept {
#if COIR_ASAN
  __asan_unpoison_memory_region(base, bytes);
#endif
}

/// The frames of a finished task may have left redzones behind; the next task's frames are laid out differently.
inline void recycle_stack([[maybe_unused]] std::byte* limit, [[maybe_unused]] const std::byte* below) noexcept {
#if COIR_ASAN
  __asan_unpoison_memory_region(limit, static_cast<std::size_t>(below - limit));
#endif
}

inline void create_fiber([[maybe_unused]] FiberState& fiber, [[maybe_unused]] std::byte* limit,
                         [[maybe_unused]] std::byte* top) noexcept {
#if COIR_ASAN
  fiber.bottom = limit;
  fiber.bytes = static_cast<std::size_t>(top - limit);
#endif
#if COIR_TSAN
  fiber.tsan_fiber = __tsan_create_fiber(0);
#endif
}

inline void destroy_fiber([[maybe_unused]] FiberState& fiber) noexcept {
#if COIR_TSAN
  __tsan_destroy_fiber(fiber.tsan_fiber);
#endif
}

inline void adopt_host([[maybe_unused]] FiberState& host) noexcept {
#if COIR_TSAN
  host.tsan_fiber = __tsan_get_current_fiber();
#endif
}

/// The last act before a jump. `dying`: the fiber left is never resumed.
[[gnu::always_inline]] inline void before_jump([[maybe_unused]] FiberState& from, [[maybe_unused]] FiberState& to,
                                               [[maybe_unused]] bool dying) noexcept {
#if COIR_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
#if COIR_ASAN
  __sanitizer_start_switch_fiber(dying ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
}

/// The first act after a jump, on the stack arrived at. `previous` is the fiber that was left.
[[gnu::always_inline]] inline void after_jump([[maybe_unused]] FiberState& here,
                                              [[maybe_unused]] FiberState& previous) noexcept {
#if COIR_ASAN
  __sanitizer_finish_switch_fiber(here.fake_stack, &previous.bottom, &previous.bytes);
#endif
}

}  // namespace coir::fibers::sanitizer
