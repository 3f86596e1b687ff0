/* SPDX-License-Identifier: MIT */
/* Checks for files that are compiled as C11 and as C++11. A claim is a function that returns how many failed. */
#pragma once

#include <coir/coir.h>

#include <stdio.h>
#include <string.h>

static int failures;
static char events[256];

static void note(const char *event) { strncat(events, event, sizeof events - strlen(events) - 1); }

#define CHECK(condition)                                                                                       \
  do {                                                                                                         \
    if (!(condition)) {                                                                                        \
      fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, coir_last_error());       \
      ++failures;                                                                                              \
    }                                                                                                          \
  } while (0)

#define CHECK_CODE(call, expected)                                                                             \
  do {                                                                                                         \
    const int code_ = (call);                                                                                  \
    if (code_ != (expected)) {                                                                                 \
      fprintf(stderr, "%s:%d: %s is %d, not %s; last error: %s\n", __FILE__, __LINE__, #call, code_, #expected, \
              coir_last_error());                                                                              \
      ++failures;                                                                                              \
    }                                                                                                          \
  } while (0)

#define CHECK_SAYS(text) CHECK(strstr(coir_last_error(), text) != NULL)
#define CHECK_EVENTS(expected)                                                                     \
  do {                                                                                             \
    if (strcmp(events, expected) != 0) {                                                           \
      fprintf(stderr, "%s:%d: \"%s\" happened, not \"%s\"\n", __FILE__, __LINE__, events, expected); \
      ++failures;                                                                                  \
    }                                                                                              \
  } while (0)

#define CLAIM(name)              \
  static void claim_##name(void); \
  int PREFIXED(name)(void) {      \
    failures = 0;                 \
    events[0] = '\0';             \
    claim_##name();               \
    return failures;              \
  }                               \
  static void claim_##name(void)
