// SPDX-License-Identifier: MIT
// What a shared coir library shows to its users.
#pragma once

#define COIR_EXPORT __attribute__((visibility("default")))

/// The library is built and tested with this model, so that a read of "the current task" is two instructions and not a
/// call. The price is static TLS: a few hundred bytes a thread, which a dlopen()ed plug-in also has room for.
#define COIR_TLS __attribute__((tls_model("initial-exec"))) __thread
