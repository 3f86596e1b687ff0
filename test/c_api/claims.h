/* SPDX-License-Identifier: MIT */
/* The claims' functions, in both languages. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define IN_TASK(name) int c11_##name(void); int cpp11_##name(void);
#define ALONE(name) IN_TASK(name)
#include "claims.def"
#undef ALONE
#undef IN_TASK

int cpp11_WhatABodyThrowsIsACode(void);

#ifdef __cplusplus
}
#endif
