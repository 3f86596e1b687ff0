// SPDX-License-Identifier: MIT
// Where other threads and signal handlers leave callbacks for a loop.
#pragma once

#include <atomic>

#include <coir/detail/handle_node.hpp>

namespace coir::detail {

/// A lock-free stack of nodes, and the eventfd that ends the loop's sleep. Shared by the loop and whoever may still post
/// to it, so it can outlive the loop: posting to a closed inbox fails, cleanly.
///
/// B1  After close() nothing is ever accepted again.
/// B2  push() writes the eventfd only if the loop said that it is about to sleep and nobody has woken it since.
///
/// Threads   push() and wake() from any thread and, for preallocated nodes, from signal handlers; the rest on the
///           loop's thread.
class Inbox {
 public:
  /// Errors    std::system_error if no descriptor is left
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  int wake_fd() const noexcept { return wake_fd_; }
  bool empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }
  /// Takes the node's reference over and wakes the loop if it sleeps. False, and nothing taken, if closed (B1).
  bool push(HandleNode& node) noexcept;
  /// Everything posted so far, oldest first.
  NodeQueue take() noexcept;
  NodeQueue close() noexcept;

  /// True: nothing was posted, the loop may block until wake_fd() is readable. Followed by after_sleep().
  bool before_sleep() noexcept;
  void after_sleep() noexcept { sleeping_.store(false, std::memory_order_relaxed); }
  /// Makes wake_fd() readable.
  void wake() noexcept;
  void drain_wake_fd() noexcept;

 private:
  static NodeQueue reversed(HandleNode* newest) noexcept;

  std::atomic<HandleNode*> head_{nullptr};  // newest first; closed_mark() after close()
  std::atomic<bool> sleeping_{false};
  int wake_fd_;
};

}  // namespace coir::detail
