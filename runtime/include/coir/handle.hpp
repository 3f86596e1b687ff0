// SPDX-License-Identifier: MIT
// What call_soon() and its kin return. asyncio.Handle, asyncio.TimerHandle.
#pragma once

#include <coir/clock.hpp>
#include <coir/context.hpp>
#include <coir/detail/export.hpp>
#include <coir/detail/handle_node.hpp>
#include <coir/detail/ref.hpp>

namespace coir {

/// One scheduled callback. Dropping the handle does not cancel it.
///
/// Threads   The loop's; a handle of call_soon_threadsafe() may be cancelled and dropped from any thread.
/// Lifetime  May outlive the loop.
class COIR_EXPORT Handle {
 public:
  Handle() noexcept = default;
  explicit Handle(detail::Ref<detail::HandleNode> node) noexcept : node_(std::move(node)) {}

  /// Keeps the callback from running if it has not begun, and destroys it at once, captures included (later, on the
  /// loop's thread, if called from another one). Again: nothing. Suspends: never. Cost: constant.
  void cancel();
  bool cancelled() const noexcept;
  /// The context that the callback runs in: a copy of the one that was current when it was scheduled.
  /// Threads   The loop's.
  Context get_context() const;
  explicit operator bool() const noexcept { return static_cast<bool>(node_); }

 protected:
  detail::Ref<detail::HandleNode> node_;
};

/// A callback with a deadline. cancel() takes it out of the loop's heap at once: O(log n), and constant for a deadline
/// that is later than most, as a timeout's is. asyncio leaves it there and sweeps later.
class COIR_EXPORT TimerHandle : public Handle {
 public:
  TimerHandle() noexcept = default;
  explicit TimerHandle(detail::Ref<detail::TimerNode> node) noexcept
      : Handle(detail::Ref<detail::HandleNode>(std::move(node))) {}
  /// The deadline in the loop's time.
  TimePoint when() const noexcept;
};

}  // namespace coir
