// SPDX-License-Identifier: MIT
// What the tests of stacks and of call graphs share. The stacks are those of functions such as users have, outside of
// namespace coir.
#pragma once

#include "runtime_test.hpp"

#include <coir/call_graph.hpp>

#include <cerrno>
#include <string>
#include <vector>

namespace shop {

inline int steps = 0;

// Not inlined, cloned or left by a tail call, so that it has a frame and its name in every build.
inline constexpr unsigned wait_line = __LINE__ + 2;
[[gnu::noinline]] inline void wait_here(coir::Future<void> future) {
  await(future);
  ++steps;
}

}  // namespace shop

namespace shop_test {

using namespace coir::test;  // NOLINT
using namespace std::chrono_literals;
using coir::AnyFuture;
using coir::create_task;
using coir::StackFrame;

/// Of the functions that have one: without libdw static functions, lambdas among them, have none.
inline Trace names(const std::vector<StackFrame>& frames) {
  Trace all;
  for (const StackFrame& frame : frames) {
    if (!frame.function.starts_with(program_invocation_short_name + std::string("+0x"))) all.push_back(frame.function);
  }
  return all;
}
inline Trace names(const coir::FutureCallGraph& graph) {
  std::vector<StackFrame> frames;
  for (const coir::FrameCallGraphEntry& entry : graph.call_stack) frames.push_back(entry.frame);
  return names(frames);
}

/// Without libdw only exported functions have names, and none has a line.
constexpr bool has_libdw = COIR_TEST_LIBDW;

class CallStackTest : public RuntimeTest {
 protected:
  coir::Future<void> gate() { return loop().create_future<void>(); }
};

}  // namespace shop_test
