// SPDX-License-Identifier: MIT
// The claims in C++11, and those that C cannot make.
#if __cplusplus != 201103L
#error "this file shows that C++11 is enough"
#endif
#define PREFIXED(name) cpp11_##name
#include "claims.h"

#include <stdexcept>

#include "tasks.inc"
#include "waits.inc"
#include "completions.inc"
#include "loops.inc"

CLAIM(WhatABodyThrowsIsACode) {
  const coir_fn thrower = [](void *) -> int { throw std::runtime_error("disk full"); };
  int result = 17;
  CHECK_CODE(coir_run(thrower, nullptr, &result), COIR_EFAILED);
  CHECK_SAYS("std::runtime_error: disk full");
  CHECK(result == 17);

  CHECK_CODE(coir_run(
                 [](void *data) -> int {
                   coir_task task = 0;
                   CHECK_CODE(coir_spawn(*static_cast<coir_fn *>(data), nullptr, &task), COIR_OK);
                   CHECK_CODE(coir_join(task, nullptr), COIR_EFAILED);
                   CHECK_SAYS("disk full");
                   CHECK_SAYS("cpp11.cpp:");
                   CHECK_CODE(coir_join(task, nullptr), COIR_ESTALE);
                   CHECK_CODE(coir_run_blocking(*static_cast<coir_fn *>(data), nullptr, nullptr), COIR_EFAILED);
                   CHECK_SAYS("disk full");
                   return 3;
                 },
                 const_cast<coir_fn *>(&thrower), &result),
             COIR_OK);
  CHECK(result == 3);
}
