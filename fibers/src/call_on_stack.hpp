// SPDX-License-Identifier: MIT
// A plain call on another stack.
#pragma once

#include <cstddef>

// To run a function on the host's stack a fiber need not switch to the host and back: nobody else uses the part of that
// stack below where the host is suspended, so a call with another stack pointer will do. It returns like any call, and is
// predicted like any. Two switches, 16 ns, become 2 ns (bench/await_bench, await_callback).
//
// Debuggers and unwinders see the callee as called from the caller's stack. A chain of frame pointers leads there, too, from
// the host's stack; that of a fiber ends with its own stack, as it does when the fiber was switched to.
// Sanitizers track stacks by switches: with them, and on other processors, the caller has to switch.
#if defined(__x86_64__) && !defined(__ILP32__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COIR_CALL_ON_STACK 1
#else
#define COIR_CALL_ON_STACK 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef COIR_CALL_ON_STACK
#define COIR_CALL_ON_STACK 0
#endif
#endif

#if COIR_CALL_ON_STACK
extern "C" {
/// Calls function(argument), which must not throw, with `top` as its stack: 16-byte aligned, free below.
void coir_call_on_stack(void* argument, void (*function)(void*), std::byte* top) noexcept;
/// The same, and the chain of frame pointers ends there.
void coir_call_on_fiber(void* argument, void (*function)(void*), std::byte* top) noexcept;
}

// One copy in each library, not exported; and in each assembler file, where link-time optimisation puts many sources.
asm(R"(
  .ifndef coir_call_on_stack
  .pushsection .text.coir_call_on_stack,"axG",@progbits,coir_call_on_stack,comdat
  .globl coir_call_on_stack
  .hidden coir_call_on_stack
  .type coir_call_on_stack, @function
coir_call_on_stack:
  .cfi_startproc
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register rbp
  movq %rdx, %rsp
  callq *%rsi
  movq %rbp, %rsp
  popq %rbp
  .cfi_def_cfa rsp, 8
  retq
  .cfi_endproc
  .size coir_call_on_stack, .-coir_call_on_stack
  .popsection

  .pushsection .text.coir_call_on_fiber,"axG",@progbits,coir_call_on_fiber,comdat
  .globl coir_call_on_fiber
  .hidden coir_call_on_fiber
  .type coir_call_on_fiber, @function
coir_call_on_fiber:
  .cfi_startproc
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset rbp, -16
  pushq %rbx
  .cfi_def_cfa_offset 24
  .cfi_offset rbx, -24
  movq %rsp, %rbx
  .cfi_def_cfa_register rbx
  xorl %ebp, %ebp
  movq %rdx, %rsp
  callq *%rsi
  movq %rbx, %rsp
  popq %rbx
  .cfi_def_cfa rsp, 16
  popq %rbp
  .cfi_def_cfa_offset 8
  retq
  .cfi_endproc
  .size coir_call_on_fiber, .-coir_call_on_fiber
  .popsection
  .endif
)");
#endif
