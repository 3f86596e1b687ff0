// SPDX-License-Identifier: MIT
// Descriptors and the one system call that an idle loop blocks in. Linux: epoll.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <coir/clock.hpp>
#include <coir/detail/handle_node.hpp>

namespace coir::detail {

/// At most one reader and one writer for each descriptor, level-triggered.
///
/// R1  A watched node holds one reference of the poller. It is also in at most one ready queue: an event for a node
///     that is still queued is dropped, the next poll reports it again.
class Poller {
 public:
  enum Direction { read = 0, write = 1 };

  /// Errors    std::system_error if no descriptor is left
  explicit Poller(int wake_fd);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Takes the node's reference over and returns the node it replaces, with its reference; null if none.
  /// Errors    std::system_error if the kernel refuses the descriptor; the node is released
  HandleNode* watch(int fd, Direction direction, HandleNode& node);
  /// The node that was watched, with its reference; null if none. The descriptor may be closed already.
  HandleNode* unwatch(int fd, Direction direction) noexcept;
  HandleNode* watched(int fd, Direction direction) const noexcept;
  /// Descriptors with a reader or writer.
  std::size_t active() const noexcept { return active_; }
  std::vector<HandleNode*> unwatch_all() noexcept;

  /// Waits until a descriptor is ready or `timeout` has passed (none: for ever; rounded up to what the kernel can do),
  /// and appends the nodes of ready ones to `ready`. Returns whether the wake-up descriptor was among them.
  bool wait(std::optional<Duration> timeout, NodeQueue& ready);

 private:
  struct Slot {
    HandleNode* nodes[2] = {nullptr, nullptr};  // R1
  };
  void update(int fd, const Slot& before);

  int epoll_fd_;
  int wake_fd_;
  std::vector<Slot> slots_;  // by descriptor
  std::size_t active_ = 0;
};

}  // namespace coir::detail
