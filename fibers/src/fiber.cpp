// SPDX-License-Identifier: MIT
#include <coir/fibers/fiber.hpp>

#include <cstdint>

#include "switch.hpp"

namespace coir::fibers {
namespace {

// Boost aligns its record to 256 bytes, so stack tops can be told apart only in such steps. Staggering them spreads the
// control blocks and first frames of different fibers over cache sets; a round robin over 100,000 of them doubles in
// speed (bench/yield). More than 2 KiB would push a small task's frames into a second page.
constexpr std::size_t stagger_bytes = 256;
constexpr std::size_t stagger_steps = 8;

std::byte* control_block_of(const Stack& stack) noexcept {
  const auto index = reinterpret_cast<std::uintptr_t>(stack.base) / static_cast<std::size_t>(stack.top - stack.base);
  std::byte* top = stack.top - index % stagger_steps * stagger_bytes;
  const std::size_t bytes = (sizeof(Fiber) + 63) / 64 * 64;
  return top - bytes;
}

/// Marks the end of the chain of frames: Boost leaves a code address in the frame-pointer slot, which frame-pointer
/// walkers (perf, jemalloc, crash reporters) would follow.
[[gnu::always_inline]] inline void end_of_frames() noexcept {
  auto** frame = static_cast<void**>(__builtin_frame_address(0));
  frame[0] = nullptr;
  frame[1] = nullptr;
#if defined(__x86_64__)
  asm volatile(".cfi_undefined rip");
#endif
}

/// What the switch pushes below the frame of main_loop() is 64 bytes; three times that if nothing is inlined.
[[gnu::always_inline]] inline void check_idle_frame() noexcept {
#if COIR_CALL_ON_STACK
  std::uintptr_t stack_pointer;
  asm volatile("movq %%rsp, %0" : "=r"(stack_pointer));
  const std::uintptr_t bytes = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) - stack_pointer;
  COIR_CHECK(bytes + 192 <= FiberPool::Impl::idle_frame_bytes, "F3: the frame of an idle fiber is larger than assumed");
#endif
}

}  // namespace

// Never returns, so its return address may be overwritten. Never throws: an Entry is noexcept.
[[gnu::noinline]] void FiberPool::Impl::main_loop(Impl& pool, Fiber& self) noexcept {
  end_of_frames();
  check_idle_frame();
  for (;;) {
    Fiber& next = self.entry(self.argument);
    // The thread's exception state is empty here: whatever the assignment threw it has also caught and left.
    COIR_ASSERT(pool.exception_state->caught == nullptr && pool.exception_state->uncaught == 0,
                "a fiber ended inside a catch block");
    pool.make_idle(self);  // nobody else runs before the jump
    switch_fiber(pool, next);
    sanitizer::recycle_stack(self.stack.limit, static_cast<std::byte*>(__builtin_frame_address(0)) - 1024);
  }
}

Fiber& FiberPool::Impl::create(StackPool& from) {
  const Stack stack = from.acquire();
  auto* fiber = ::new (control_block_of(stack)) Fiber;
  fiber->stack = stack;
  sanitizer::create_fiber(fiber->sanitizer, stack.limit, stack.top);
  auto* top = reinterpret_cast<std::byte*>(fiber);

  struct Keep {  // the memory is the StackPool's
    static void deallocate(boost::context::stack_context&) noexcept {}
  };
  boost::context::stack_context boost_stack;
  boost_stack.sp = top;
  boost_stack.size = static_cast<std::size_t>(top - stack.limit);
  Impl* pool = this;
#if COIR_TSAN
  // The constructor jumps to the new stack and back. TSan's shadow stack of the creator would keep an entry for ever;
  // the order of both is told as well (flag 0), for the new stack reads what was just written here.
  void* creator = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber->sanitizer.tsan_fiber, 0);
#endif
  ::new (fiber->context) boost::context::fiber(
      std::allocator_arg, boost::context::preallocated(top, boost_stack.size, boost_stack), Keep{},
      [pool, fiber](boost::context::fiber&& left) -> boost::context::fiber {
        sanitizer::after_jump(fiber->sanitizer, pool->previous->sanitizer);
        ::new (pool->previous->context) boost::context::fiber(std::move(left));
        main_loop(*pool, *fiber);
        __builtin_unreachable();
      });
#if COIR_TSAN
  __tsan_switch_to_fiber(creator, 0);
#endif
  return *fiber;
}

void FiberPool::Impl::destroy(Fiber& fiber, StackPool& from) noexcept {
  const Stack stack = fiber.stack;
  // Its only frames own nothing; dropping the memory ends them (I2).
  sanitizer::destroy_fiber(fiber.sanitizer);
  sanitizer::forget_stacks(stack.limit, static_cast<std::size_t>(stack.top - stack.limit));
  StackPool::drop_pages(stack, stack.top);
  from.release(stack);
}

FiberPool::FiberPool(const StackOptions& options) : impl_(std::make_unique<Impl>(options)) {
  ::new (impl_->host.context) boost::context::fiber;
  enter_thread();
}

FiberPool::~FiberPool() {
  COIR_CHECK(impl_->running == &impl_->host, "I2: a fiber pool destroyed from one of its fibers");
  trim(0, 0);
}

void FiberPool::enter_thread() noexcept {
  COIR_CHECK(impl_->running == &impl_->host, "I1: a thread entered while a fiber runs");
  impl_->exception_state = reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
  impl_->thread_errno = &errno;
  sanitizer::adopt_host(impl_->host.sanitizer);
}

Fiber& FiberPool::acquire(Entry entry, void* argument) { return acquire_fiber(*impl_, entry, argument); }
COIR_RETURN_BY_JUMP void FiberPool::switch_to(Fiber& to) noexcept { switch_fiber(*impl_, to); }
Fiber& FiberPool::host() noexcept { return impl_->host; }
Fiber& FiberPool::current() noexcept { return *impl_->running; }

void FiberPool::trim(std::size_t keep, std::size_t resident_bytes) noexcept {
  Fiber** link = &impl_->idle;
  std::size_t kept = 0;
  for (; *link != nullptr && kept < keep; ++kept) {
    Fiber& fiber = **link;
    auto* resident = reinterpret_cast<std::byte*>(&fiber) - resident_bytes;
    StackPool::drop_pages(fiber.stack, resident);
    link = &fiber.next_idle;
  }
  Fiber* cold = std::exchange(*link, nullptr);
  impl_->idle_count = kept;
  while (cold != nullptr) {
    Impl::destroy(*std::exchange(cold, cold->next_idle), impl_->stacks);
  }
}

FiberStats FiberPool::stats() const noexcept {
  return {impl_->leased, impl_->idle_count, impl_->peak, impl_->stacks.stats()};
}
std::size_t FiberPool::stack_bytes() const noexcept { return impl_->stacks.stack_bytes(); }

Stack stack_of(const Fiber& fiber) noexcept { return fiber.stack; }
void* argument_of(const Fiber& fiber) noexcept { return fiber.argument; }
const void* frame_of(const Fiber& fiber) noexcept { return fiber.frame; }
const Fiber* fiber_on(const Stack& stack) noexcept {
  return std::launder(reinterpret_cast<const Fiber*>(control_block_of(stack)));
}

}  // namespace coir::fibers
