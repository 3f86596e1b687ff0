// SPDX-License-Identifier: MIT
// Waiting and failing below C code: a callback of a C library, called by it, inside of a task.
#pragma once

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include <coir/detail/export.hpp>
#include <coir/source_location.hpp>

namespace coir {
namespace detail {

/// One call_c() that has not returned, in its frame.
///
/// CC1  A task's records, from the innermost to the outermost, are linked from its fiber: another task that runs meanwhile
///      has its own. Outside of tasks they are the thread's, where such calls nest.
/// CC2  Once a failure is kept, nothing more is run below this call, and none replaces it.
class COIR_EXPORT CCall {
 public:
  CCall() noexcept;
  ~CCall();
  CCall(const CCall&) = delete;
  CCall& operator=(const CCall&) = delete;

  /// Of the running task, or of the thread outside of one; null if there is none.
  static CCall* innermost() noexcept;

  bool failed() const noexcept { return failure_ != nullptr; }
  void keep_current_exception() noexcept { failure_ = std::current_exception(); }
  /// Throws the failure that was kept, if any.
  void finish() {
    if (failure_ != nullptr) [[unlikely]] std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  static CCall*& head() noexcept;
  CCall* const outer_;
  std::exception_ptr failure_;
};

/// What has been caught has nowhere to go: says so, and gives a CancelledError back to the task.
COIR_EXPORT void report_lost_at_boundary(SourceLocation where) noexcept;

/// Whether fn() was run and returned.
template <class Fn>
bool run_at_boundary(SourceLocation where, Fn&& fn) noexcept {
  CCall* const call = CCall::innermost();
  if (call != nullptr && call->failed()) return false;  // CC2
  try {
    std::forward<Fn>(fn)();
    return true;
  } catch (...) {
    call != nullptr ? call->keep_current_exception() : report_lost_at_boundary(where);
    return false;
  }
}

}  // namespace detail

/// Calls fn(), which calls into C code that calls back: returns what fn() returns, or throws what stopped a c_boundary()
/// below. The two carry exceptions, CancelledError among them, across C frames, which have no clean-up for them:
///
///     coir::call_c([&] { qsort_r(items, count, size, compare, &order); });
///
///     int compare(const void* a, const void* b, void* order) {
///       return coir::c_boundary([&] { return static_cast<Order*>(order)->ask(a, b); }, 0);   // may await, may throw
///     }
///
/// A failure that was kept goes before one that fn() throws itself, which in general is only its consequence ("parse
/// aborted"). Calls nest: the innermost one of this task gets the failure.
///
/// Suspends  only if what is called does
/// Errors    those of fn(), and of every c_boundary() below
/// Cancel    A CancelledError below is kept like any failure; it leaves from here.
/// Threads   Works on any thread, with or without a loop.
/// Cost      two stores; one allocation for a failure
template <class Fn>
std::invoke_result_t<Fn&> call_c(Fn&& fn) {
  using R = std::invoke_result_t<Fn&>;
  detail::CCall call;
  const auto run = [&]() -> R {
    try {
      return std::invoke(fn);
    } catch (...) {
      call.finish();
      throw;
    }
  };
  if constexpr (std::is_void_v<R>) {
    run();
    call.finish();
  } else {
    R result = run();
    call.finish();
    return static_cast<R&&>(result);
  }
}

/// What a callback of a C library consists of: runs fn(), keeps what it throws for the call_c() above, and never throws.
///
/// True if fn() ran and returned. False if it threw, or something threw before it below the same call_c(): then fn() is
/// not run any more, and the callback should tell the library to stop, if there is a way.
/// Errors    none. Without a call_c() above, a failure is reported to the loop's exception handler ("... outside of
///           call_c()") and a CancelledError is thrown at the task's next await that is not below a C frame.
/// Suspends  only if fn() does. C code that is not re-entrant, or holds a lock, must not be waited in: docs/embedding.md
template <class Fn>
  requires std::is_void_v<std::invoke_result_t<Fn&>>
bool c_boundary(Fn&& fn, SourceLocation where = SourceLocation::current()) noexcept {
  return detail::run_at_boundary(where, fn);
}
/// The same for a callback with a result: that of fn(), or `on_failure`, the value which tells the library to stop.
template <class Fn, class R = std::invoke_result_t<Fn&>>
  requires(!std::is_void_v<R>)
R c_boundary(Fn&& fn, std::type_identity_t<R> on_failure, SourceLocation where = SourceLocation::current()) noexcept {
  detail::run_at_boundary(where, [&] { on_failure = std::invoke(fn); });
  return on_failure;
}

}  // namespace coir
