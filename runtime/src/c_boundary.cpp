// SPDX-License-Identifier: MIT
#include <coir/c_boundary.hpp>

#include <string>

#include <coir/errors.hpp>

#include "loop_core.hpp"

namespace coir::detail {
namespace {

COIR_TLS CCall* innermost_of_thread = nullptr;

}  // namespace

CCall*& CCall::head() noexcept {
  const TaskState* task = running_task();
  return task != nullptr ? task->fiber()->innermost_call : innermost_of_thread;
}

CCall::CCall() noexcept : outer_(std::exchange(head(), this)) {}

CCall::~CCall() { head() = outer_; }

CCall* CCall::innermost() noexcept { return head(); }

void report_lost_at_boundary(SourceLocation where) noexcept {
  const auto report = [&] {
    if (running_loop == nullptr) return;
    running_loop->report({.message = "c_boundary() at " + to_string(where) +
                                     ": an exception outside of call_c(): it cannot cross the C frames above and is "
                                     "lost. Wrap the call into the C library: coir::call_c([&] { ... })",
                          .exception = std::current_exception()});
  };
  try {
    throw;
  } catch (const CancelledError& error) {
    report();
    if (TaskState* task = running_task()) task->cancel_again(error.message());
  } catch (...) {
    report();
  }
}

}  // namespace coir::detail
