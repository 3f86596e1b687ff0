// SPDX-License-Identifier: MIT
// Where other threads and signal handlers leave callbacks for a loop.
#pragma once

#include <sys/types.h>

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

  /// Who takes what is posted: a thread, by the kernel's number, that runs the loop or whose guest it is; 0 while nobody
  /// does. For those on other threads who ask why it takes so long.
  void served_by(pid_t thread, bool as_guest) noexcept {
    as_guest_.store(as_guest, std::memory_order_relaxed);
    thread_.store(thread, std::memory_order_release);
  }
  pid_t server() const noexcept { return thread_.load(std::memory_order_acquire); }
  bool served_as_guest() const noexcept { return as_guest_.load(std::memory_order_relaxed); }
  /// Whether its server had nothing to do, and was in the kernel or about to be.
  bool sleeping() const noexcept { return sleeping_.load(std::memory_order_acquire); }

 private:
  static NodeQueue reversed(HandleNode* newest) noexcept;

  std::atomic<HandleNode*> head_{nullptr};  // newest first; closed_mark() after close()
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> as_guest_{false};  // valid while thread_ is set
  std::atomic<pid_t> thread_{0};
  int wake_fd_;
};

}  // namespace coir::detail
