/* SPDX-License-Identifier: MIT */
/* The claims in C11. */
#define PREFIXED(name) c11_##name
#include "claims.h"

#include "tasks.inc"
#include "waits.inc"
#include "completions.inc"
#include "loops.inc"
