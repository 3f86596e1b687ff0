// SPDX-License-Identifier: MIT
// The switch, inline: private to coir, shared by fibers/ and runtime/.
//
// Each `ret` executed after a jump is mispredicted and costs more than the jump itself, so the runtime inlines this
// whole path into the one function that an await calls.
#pragma once

#include <coir/fibers/fiber.hpp>

#include <boost/context/fiber.hpp>
#include <boost/version.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <cxxabi.h>
#include <new>
#include <utility>

#include <coir/detail/assert.hpp>
#include <coir/detail/return_by_jump.hpp>

#include "call_on_stack.hpp"
#include "sanitizer.hpp"

#if BOOST_VERSION == 108800
#error "Boost 1.88 destroys exception state in ~fiber (boostorg/context#302, fixed in 1.89): use another version"
#endif

namespace coir::detail {
class CCall;
}

namespace coir::fibers {

/// The head of __cxa_eh_globals, the same in libstdc++ and libc++abi: the stack of caught exceptions and the number of
/// uncaught ones. Boost.Context before 1.88 leaves it to the thread, where two fibers in catch blocks tear it apart.
struct ExceptionState {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

struct Walk;

/// Control block of a flow of control, at the top of its stack (the host's is in its pool).
///
/// F1  `context` is empty exactly while the fiber runs.
/// F2  `exceptions` and `saved_errno` are valid only while it is suspended; the running fiber's are the thread's.
/// F3  `calling` is set while it is suspended in call_on_fiber(): it has no `context` then, and nobody may switch to it
///     until that call returns.
class Fiber {
 public:
  // The storage of a boost::context::fiber, whose destructor must not run: it would unwind the stack by force.
  alignas(boost::context::fiber) std::byte context[sizeof(boost::context::fiber)];
  ExceptionState exceptions;
  int saved_errno = 0;
  const void* frame = nullptr;   // see frame_of()
  Entry entry = nullptr;         // null while idle
  void* argument = nullptr;
  Fiber* next_idle = nullptr;    // valid while idle
  Fiber* calling = nullptr;      // F3
  Walk* walk = nullptr;          // for serve_walks(); null whenever the fiber itself is meant
  coir::detail::CCall* innermost_call = nullptr;  // the runtime's, of the assignment: see call_c()
  bool serves_walks = false;     // suspended in serve_walks(), on top of its own switch
  Stack stack;
  [[no_unique_address]] sanitizer::FiberState sanitizer;

  boost::context::fiber& boost_fiber() noexcept {
    return *std::launder(reinterpret_cast<boost::context::fiber*>(context));
  }
};

/// Bounds what a fiber costs in its first page; see FiberPool::Impl::create.
static_assert(sizeof(Fiber) <= 192);

/// Per-thread addresses and the fibers of one pool. Public to the runtime, which inlines the switch.
struct FiberPool::Impl {
  explicit Impl(const StackOptions& options)
      : may_call_on_host(COIR_CALL_ON_STACK && !sanitizer::under_memcheck()), stacks(options) {}

  Fiber* running = &host;        // I1
  Fiber* previous = nullptr;     // the fiber that the last jump left; valid from before the jump until it is recorded
  ExceptionState* exception_state = nullptr;  // of the thread; fetched by enter_thread(), fibers never migrate
  int* thread_errno = nullptr;
  bool may_call_on_host;  // Memcheck takes the host's frames for gone once the stack pointer has left them
  std::byte* host_stack = nullptr;  // below this the host's stack is free; valid while the host is suspended by leave_host()
  Fiber* idle = nullptr;         // LIFO
  std::size_t idle_count = 0;
  std::size_t leased = 0;
  std::size_t peak = 0;
  Fiber host;
  StackPool stacks;

  /// A fiber on a stack of `from`, idle, in no list. Errors: StackAllocationError
  Fiber& create(StackPool& from);
  /// Ends an idle fiber, or one that is suspended in a frame which owns nothing, and releases its stack.
  static void destroy(Fiber& fiber, StackPool& from) noexcept;
  static void main_loop(Impl& pool, Fiber& self) noexcept;
  /// What an idle fiber has on its stack, from frame_of() on.
  static constexpr std::size_t idle_frame_bytes = 512;
  /// The end of an assignment. Other fibers may take this one from now on.
  void make_idle(Fiber& fiber) noexcept {
    fiber.entry = nullptr;
    fiber.argument = nullptr;
    fiber.next_idle = idle;
    idle = &fiber;
    ++idle_count;
    --leased;
  }
};

/// Jumps from the running fiber to `to`. Everything after the jump happens when somebody comes back.
template <bool dying = false>
[[gnu::always_inline]] inline void switch_fiber(FiberPool::Impl& pool, Fiber& to) noexcept {
  Fiber& from = *pool.running;
  COIR_ASSERT(&from != &to, "I1: switch to the running fiber");
  ExceptionState& thread = *pool.exception_state;
  from.exceptions = thread;
  thread = to.exceptions;
  from.saved_errno = *pool.thread_errno;
  *pool.thread_errno = to.saved_errno;
  from.frame = __builtin_frame_address(0);
  pool.previous = &from;
  pool.running = &to;
  sanitizer::before_jump(from.sanitizer, to.sanitizer, dying);
  boost::context::fiber left = std::move(to.boost_fiber()).resume();
  // Back on `from`, on whose frame the variables of this function still are; `pool` is of the same thread (P1).
  sanitizer::after_jump(from.sanitizer, pool.previous->sanitizer);
  ::new (pool.previous->context) boost::context::fiber(std::move(left));
}

/// Jumps from the host to `to`, so that call_on_host_stack() may be used meanwhile.
[[gnu::always_inline]] inline void leave_host(FiberPool::Impl& pool, Fiber& to) noexcept {
#if COIR_CALL_ON_STACK
  constexpr std::uintptr_t margin = 512;  // what the switch pushes, and a red zone
  std::uintptr_t stack_pointer;
  asm volatile("movq %%rsp, %0" : "=r"(stack_pointer));
  pool.host_stack = reinterpret_cast<std::byte*>((stack_pointer - margin) & ~std::uintptr_t{15});
#endif
  switch_fiber(pool, to);
}

#if COIR_CALL_ON_STACK
/// Runs function(argument), which must not throw, on the stack of the host while a fiber is running. It may switch to
/// other fibers if they come back to the running one; not to the host.
inline void call_on_host_stack(FiberPool::Impl& pool, void (*function)(void*), void* argument) noexcept {
  coir_call_on_stack(argument, function, pool.host_stack);
}

/// Whether call_on_fiber() is possible. It carries no exception state: the caller must not be in a catch block.
inline bool may_call_on_fiber(const FiberPool::Impl& pool, const Fiber& to) noexcept {
  return to.frame != nullptr && pool.exception_state->caught == nullptr && pool.exception_state->uncaught == 0 &&
         pool.may_call_on_host;
}

/// For a fiber that could go on only behind the assignment of another one: calls that, function(argument), which must not
/// throw, on the stack of `to`, which is acquired and has not begun; then makes `to` idle. That saves the jump there and
/// the one back. The assignment may switch to other fibers like any; F3 holds for the caller meanwhile.
inline void call_on_fiber(FiberPool::Impl& pool, Fiber& to, void (*function)(void*), void* argument) noexcept {
  Fiber& from = *pool.running;
  from.exceptions = {};
  from.saved_errno = *pool.thread_errno;
  from.frame = __builtin_frame_address(0);
  from.calling = &to;
  boost::context::fiber idle = std::move(to.boost_fiber());  // in main_loop(), where it is found when this is over
  const void* const idle_frame = to.frame;
  pool.running = &to;
  const auto top = reinterpret_cast<std::uintptr_t>(idle_frame) - FiberPool::Impl::idle_frame_bytes;
  coir_call_on_fiber(argument, function, reinterpret_cast<std::byte*>(top & ~std::uintptr_t{15}));
  COIR_ASSERT(pool.running == &to, "I1: a call on a fiber returned on another one");
  COIR_ASSERT(pool.exception_state->caught == nullptr && pool.exception_state->uncaught == 0,
              "F3: a call on a fiber ended inside a catch block");
  // As main_loop() has left it: the assignment may have suspended since, also in a catch block.
  ::new (to.context) boost::context::fiber(std::move(idle));
  to.exceptions = {};
  to.frame = idle_frame;
  pool.make_idle(to);
  pool.running = &from;
  from.calling = nullptr;
  *pool.thread_errno = from.saved_errno;
}
#endif

/// Takes an idle fiber or makes one.
[[gnu::always_inline]] inline Fiber& acquire_fiber(FiberPool::Impl& pool, Entry entry, void* argument) {
  Fiber* fiber = pool.idle;
  if (__builtin_expect(fiber != nullptr, 1)) {
    pool.idle = fiber->next_idle;
    --pool.idle_count;
  } else {
    fiber = &pool.create(pool.stacks);
  }
  fiber->entry = entry;
  fiber->argument = argument;
  if (++pool.leased > pool.peak) pool.peak = pool.leased;
  return *fiber;
}

}  // namespace coir::fibers
