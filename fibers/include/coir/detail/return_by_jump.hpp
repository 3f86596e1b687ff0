// SPDX-License-Identifier: MIT
// How a function that contains a switch returns.
#pragma once

// The processor predicts a `ret` from a private stack of the calls it has seen, and behind a jump to another stack those
// are the calls of the fiber that was left: the first `ret` is always mispredicted, for 6 ns, more than the jump itself
// takes. COIR_RETURN_BY_JUMP, on a function that ends behind a switch, makes it return by `pop; jmp *`, which is
// predicted by where this code path went before (bench/switch_bench: switch_to 2.8 r with `ret`, 1.5 r without).
//
// GCC calls the way it is done "thunk-extern" and expects __x86_return_thunk from whoever uses it; GCC's own one is a
// Spectre mitigation that is meant to mispredict. Not with shadow stacks (CET), which insist on `ret`, and not with
// sanitizers, whose epilogues differ.
#if defined(__x86_64__) && defined(__has_attribute) && !defined(__CET__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#if __has_attribute(function_return)
#define COIR_RETURN_BY_JUMP [[gnu::function_return("thunk-extern")]]

// One copy in each library, not exported; and in each assembler file, where link-time optimisation puts many sources.
// rcx carries neither a result nor anything that a caller wants back.
asm(R"(
  .ifndef __x86_return_thunk
  .pushsection .text.__x86_return_thunk,"axG",@progbits,__x86_return_thunk,comdat
  .globl __x86_return_thunk
  .hidden __x86_return_thunk
  .type __x86_return_thunk, @function
__x86_return_thunk:
  .cfi_startproc
  popq %rcx
  .cfi_def_cfa_offset 0
  .cfi_register rip, rcx
  jmp *%rcx
  .cfi_endproc
  .size __x86_return_thunk, .-__x86_return_thunk
  .popsection
  .endif
)");
#endif
#endif

#ifndef COIR_RETURN_BY_JUMP
#define COIR_RETURN_BY_JUMP
#endif
