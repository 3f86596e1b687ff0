// SPDX-License-Identifier: MIT
// Descriptors and the one system call that an idle loop blocks in. Linux: epoll.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <coir/clock.hpp>
#include <coir/detail/handle_node.hpp>

namespace coir::detail {

/// At most one reader and one writer for each descriptor, level-triggered.
///
/// A wait that has ended leaves its registration in the kernel, for the next wait on that descriptor to find: a server
/// that waits for one request after the other tells the kernel nothing in between. Nobody tells the poller, on the
/// other hand, when a descriptor is closed and its number given to another file. So a registration that was kept is
/// taken on trust only now and then, and never for long (R4); and what it reports while nobody waits is silenced (R3).
///
/// R1  A watched node holds one reference of the poller. It is also in at most one ready queue: an event for a node
///     that is still queued is dropped, the next poll reports it again.
/// R2  `armed` is what the kernel was last told to report for `registered`, and covers all nodes of the slot, unless
///     the descriptor was closed meanwhile.
/// R3  An event that nobody waits for is taken out of the registration: at once if the loop or its host blocks, for
///     then nobody is about to wait; else when it comes again. If the kernel refuses because the number is another
///     file's now, while a duplicate keeps the old file in the set, the set is made anew.
/// R4  A wait relies on a kept registration without asking the kernel only if the same waiter has waited there last,
///     the kernel has confirmed it a few times in a row, all waits since were short, and none ended in a hang-up; and
///     then as often as `granted` says, which grows with each further confirmation. A wait that relies on one and has
///     not ended after two proof periods is confirmed or registered anew; on a virtual clock, before time passes. A
///     descriptor whose registration proved to be gone is never trusted again, and after some of those, none is.
class Poller {
 public:
  enum Direction { read = 0, write = 1 };
  struct Outcome {
    bool woken;      // the wake-up descriptor was ready
    bool timed_out;  // nothing came before the timeout
  };

  /// Errors    std::system_error if no descriptor is left
  explicit Poller(int wake_fd);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Takes the node's reference over and returns the node it replaces, with its reference; null if none.
  /// Errors    std::system_error if the kernel refuses the descriptor; the node is released
  HandleNode* watch(int fd, Direction direction, HandleNode& node);
  /// The same for one event, by `waiter`, where nobody watches: end_wait() is to follow the event. R4.
  void watch_once(int fd, Direction direction, HandleNode& node, std::uint64_t waiter);
  /// The node that was watched, with its reference, as unwatch(); the registration stays.
  HandleNode* end_wait(int fd, Direction direction) noexcept;
  /// The node that was watched, with its reference; null if none. The descriptor may be closed already.
  HandleNode* unwatch(int fd, Direction direction) noexcept;
  HandleNode* watched(int fd, Direction direction) const noexcept {
    if (fd < 0 || slots_.size() <= static_cast<std::size_t>(fd)) return nullptr;
    return slots_[static_cast<std::size_t>(fd)].nodes[direction];
  }
  /// Descriptors with a reader or writer.
  std::size_t active() const noexcept { return active_; }
  std::vector<HandleNode*> unwatch_all() noexcept;

  /// Waits until a descriptor is ready or `timeout` has passed (none: for ever; rounded up to what the kernel can do),
  /// and appends the nodes of ready ones to `ready`. May return early, with nothing. for_host: somebody else
  /// blocks on this set whenever nothing is ready (R3).
  Outcome wait(std::optional<Duration> timeout, NodeQueue& ready, bool for_host = false);
  /// Confirms all registrations that waits rely on (R4). True: wait() may find more now.
  bool prove_all(NodeQueue& ready) noexcept;
  /// Whether a wait relies on a registration (R4): the set has to be polled within a proof period.
  bool relies_on_kept() const noexcept { return !unproven_.empty(); }

  /// The epoll set. Whoever has it in a set of his own has to add it again whenever sets_made() changes (R3).
  int fd() const noexcept { return epoll_fd_; }
  std::uint32_t sets_made() const noexcept { return sets_made_; }

 private:
  struct Slot {
    HandleNode* nodes[2] = {nullptr, nullptr};  // R1
    std::uint32_t generation = 0;               // of the registration: each of its events bears it
    std::uint32_t waiters[2] = {0, 0};          // who waited last, cut short; 0: not to be relied on
    std::uint32_t since = 0;                    // of the last wait, in milliseconds
    std::uint8_t armed = 0;                     // R2; a bit for each direction
    std::uint8_t trust = 0;                     // R4; waits that may rely on the registration yet
    std::uint8_t granted = 0;                   // R4; what trust was after the last confirmation
    std::uint8_t confirmations = 0;             // R4; in a row, before the first grant
    bool registered : 1 = false;  // with the kernel, for the file that the number meant then
    bool quick : 1 = false;       // R4; the last wait was short
    bool noticed : 1 = false;     // R3; has reported once what nobody waits for
    bool unproven : 1 = false;    // R4; a wait relies on it
    bool listed : 1 = false;      // in unproven_
    bool deceived : 1 = false;    // R4; a wait relied on what was gone
    bool aged : 1 = false;        // R4; unproven for a period
  };
  enum class Told : std::uint8_t { confirmed, added, refused };

  Slot& slot_of(int fd);
  bool control(int operation, int fd, const Slot& slot, std::uint8_t mask) const noexcept;
  /// Makes the kernel report what is waited for. `refused` leaves errno, and no registration.
  Told tell(int fd, Slot& slot) noexcept;
  void forget(int fd, Slot& slot) noexcept;
  void grant(Slot& slot) const noexcept;
  static void distrust(Slot& slot) noexcept;
  Told place(int fd, Slot& slot, Direction direction, HandleNode& node);
  void dispatch(int fd, std::uint32_t generation, std::uint32_t events, bool at_once, NodeQueue& ready) noexcept;
  void silence(int fd, Slot& slot, std::uint8_t mask, bool for_good) noexcept;
  Told prove(int fd, Slot& slot, NodeQueue& ready) noexcept;
  void prove_aged(NodeQueue& ready) noexcept;
  void make_set_anew(NodeQueue& ready) noexcept;
  static bool awaits(const Slot& slot) noexcept;
  static void wake_waiters(Slot& slot, NodeQueue& ready) noexcept;
  static void wake(HandleNode* node, NodeQueue& ready) noexcept;

  int epoll_fd_;
  int wake_fd_;
  std::vector<Slot> slots_;  // by descriptor
  std::size_t active_ = 0;
  std::vector<int> unproven_;     // R4; descriptors, each at most once, some of them proven meanwhile
  std::uint32_t now_ = 0;         // in milliseconds, at the end of the last poll
  std::uint32_t last_proof_ = 0;  // when
  std::uint32_t sets_made_ = 1;   // R3
  int deceptions_ = 0;            // R4
  bool orphaned_ = false;         // R3; a registration that cannot be reached any more reports events
};

}  // namespace coir::detail
