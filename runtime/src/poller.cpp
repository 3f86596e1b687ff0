// SPDX-License-Identifier: MIT
#include "poller.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace coir::detail {
namespace {

constexpr int enough_confirmations = 2;      // for a first grant: short-lived descriptors never get one
constexpr int max_granted = 63;              // one system call in so many waits
constexpr int max_deceptions = 8;            // R4
constexpr std::uint32_t proof_period = 100;  // milliseconds
constexpr auto proof_duration = std::chrono::milliseconds(proof_period);

constexpr std::uint8_t bit(Poller::Direction direction) noexcept { return static_cast<std::uint8_t>(1U << direction); }

std::uint8_t bits_of(HandleNode* const (&nodes)[2]) noexcept {
  return static_cast<std::uint8_t>((nodes[Poller::read] != nullptr ? bit(Poller::read) : 0) |
                                   (nodes[Poller::write] != nullptr ? bit(Poller::write) : 0));
}

// The peer's end of sending is asked for because it says that the descriptor will soon be closed.
std::uint32_t events_of(std::uint8_t mask) noexcept {
  return ((mask & bit(Poller::read)) != 0 ? EPOLLIN | EPOLLRDHUP : 0U) |
         ((mask & bit(Poller::write)) != 0 ? EPOLLOUT : 0U);
}

std::uint32_t milliseconds_now() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

/// Never 0.
std::uint32_t mark_of(std::uint64_t waiter) noexcept { return static_cast<std::uint32_t>(waiter) | 0x8000'0000U; }

int wait_for_events(int epoll_fd, epoll_event* events, int capacity, std::optional<Duration> timeout) {
  if (!timeout) return ::epoll_wait(epoll_fd, events, capacity, -1);
  if (*timeout <= Duration::zero()) return ::epoll_wait(epoll_fd, events, capacity, 0);
  // asyncio's cap: some kernels overflow on longer waits, and waking once a day costs nothing.
  const auto bounded = std::min<Duration>(*timeout, std::chrono::hours(24));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(bounded);
  const timespec spec{static_cast<time_t>(seconds.count()),
                      static_cast<long>(std::chrono::nanoseconds(bounded - seconds).count())};
  static bool has_pwait2 = true;  // Linux 5.11; set once, the worst of a race is one more ENOSYS
  if (has_pwait2) {
    const int count = ::epoll_pwait2(epoll_fd, events, capacity, &spec, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    has_pwait2 = false;
  }
  return ::epoll_wait(epoll_fd, events, capacity,
                      static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(bounded).count()));
}

bool add_wake_fd(int epoll_fd, int wake_fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<std::uint32_t>(wake_fd);
  return ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) == 0;
}

}  // namespace

Poller::Poller(int wake_fd) : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)), wake_fd_(wake_fd) {
  if (epoll_fd_ < 0) throw std::system_error(errno, std::generic_category(), "an event loop needs an epoll descriptor");
  if (!add_wake_fd(epoll_fd_, wake_fd)) {
    const int error = errno;
    ::close(epoll_fd_);
    throw std::system_error(error, std::generic_category(), "an event loop cannot poll its eventfd");
  }
}

Poller::~Poller() { ::close(epoll_fd_); }

Poller::Slot& Poller::slot_of(int fd) {
  if (fd < 0) throw std::system_error(EBADF, std::generic_category(), "descriptor " + std::to_string(fd));
  if (slots_.size() <= static_cast<std::size_t>(fd)) slots_.resize(static_cast<std::size_t>(fd) + 1);
  return slots_[static_cast<std::size_t>(fd)];
}

bool Poller::control(int operation, int fd, const Slot& slot, std::uint8_t mask) const noexcept {
  epoll_event event{};
  event.events = events_of(mask);
  event.data.u64 = static_cast<std::uint64_t>(slot.generation) << 32 | static_cast<std::uint32_t>(fd);
  return ::epoll_ctl(epoll_fd_, operation, fd, &event) == 0;
}

Poller::Told Poller::tell(int fd, Slot& slot) noexcept {
  // To write is possible nearly always: what was kept of that would end the next sleep at once.
  const auto mask = static_cast<std::uint8_t>(bits_of(slot.nodes) | (slot.armed & bit(read)));
  Told told = Told::confirmed;
  if (!slot.registered || !control(EPOLL_CTL_MOD, fd, slot, mask)) {
    told = Told::refused;
    // The descriptor may have been closed and its number given to another file: the kernel has forgotten it. Or it
    // still knows that one, because a duplicate has come back to its number.
    if (!slot.registered || errno == ENOENT) {
      ++slot.generation;
      const bool added = control(EPOLL_CTL_ADD, fd, slot, mask);
      if (added || (errno == EEXIST && control(EPOLL_CTL_MOD, fd, slot, mask))) told = Told::added;
    }
    distrust(slot);
  }
  slot.unproven = false;
  slot.registered = told != Told::refused;
  slot.armed = slot.registered ? mask : 0;
  return told;
}

void Poller::forget(int fd, Slot& slot) noexcept {
  if (slot.registered) control(EPOLL_CTL_DEL, fd, slot, 0);  // fails if closed: there is nothing left to forget
  slot.registered = slot.unproven = false;
  slot.armed = 0;
  distrust(slot);
}

void Poller::distrust(Slot& slot) noexcept { slot.trust = slot.granted = slot.confirmations = 0; }

void Poller::grant(Slot& slot) const noexcept {
  if (slot.deceived || deceptions_ >= max_deceptions) return;
  if (slot.confirmations < enough_confirmations) {
    ++slot.confirmations;
  } else {
    slot.trust = slot.granted = static_cast<std::uint8_t>(std::min(slot.granted * 4 + 3, max_granted));
  }
}

/// Puts the node into the slot and tells the kernel.
Poller::Told Poller::place(int fd, Slot& slot, Direction direction, HandleNode& node) {
  HandleNode* const before = std::exchange(slot.nodes[direction], &node);
  const Told told = tell(fd, slot);
  if (told != Told::refused) return told;
  slot.nodes[direction] = before;
  throw std::system_error(errno, std::generic_category(),
                          "descriptor " + std::to_string(fd) + " cannot be polled by the event loop");
}

HandleNode* Poller::watch(int fd, Direction direction, HandleNode& node) {
  try {
    Slot& slot = slot_of(fd);
    HandleNode* const before = slot.nodes[direction];
    const bool was_idle = bits_of(slot.nodes) == 0;
    slot.noticed = false;
    if (before != nullptr && !slot.unproven) {
      slot.nodes[direction] = &node;
    } else {
      place(fd, slot, direction, node);
    }
    slot.waiters[direction] = 0;
    if (was_idle) ++active_;
    return before;
  } catch (...) {
    node.release();
    throw;
  }
}

void Poller::watch_once(int fd, Direction direction, HandleNode& node, std::uint64_t waiter) {
  try {
    Slot& slot = slot_of(fd);
    COIR_ASSERT(slot.nodes[direction] == nullptr, "a wait for a descriptor that is watched");
    const bool was_idle = bits_of(slot.nodes) == 0;
    const std::uint32_t mark = mark_of(waiter);
    const bool same = slot.waiters[direction] == mark;
    const unsigned left_over = slot.armed & ~static_cast<unsigned>(bits_of(slot.nodes) | bit(direction));
    slot.noticed = false;
    slot.since = now_;
    if (same && slot.trust != 0 && (slot.armed & bit(direction)) != 0 && (left_over & bit(write)) == 0) {
      if (!slot.listed) {
        unproven_.push_back(fd);
        slot.listed = true;
      }
      --slot.trust;
      slot.unproven = true;
      slot.aged = false;
      slot.nodes[direction] = &node;
    } else {
      const Told told = place(fd, slot, direction, node);
      slot.waiters[direction] = mark;
      if (told == Told::confirmed && same && slot.quick) {
        grant(slot);
      } else {
        distrust(slot);
      }
    }
    if (was_idle) ++active_;
  } catch (...) {
    node.release();
    throw;
  }
}

HandleNode* Poller::end_wait(int fd, Direction direction) noexcept {
  Slot& slot = slots_[static_cast<std::size_t>(fd)];
  HandleNode* const node = std::exchange(slot.nodes[direction], nullptr);
  if (bits_of(slot.nodes) == 0) --active_;
  return node;
}

HandleNode* Poller::unwatch(int fd, Direction direction) noexcept {
  if (watched(fd, direction) == nullptr) return nullptr;
  HandleNode* const node = end_wait(fd, direction);
  Slot& slot = slots_[static_cast<std::size_t>(fd)];
  slot.armed &= bits_of(slot.nodes);
  if (slot.armed == 0) {
    forget(fd, slot);
  } else {
    tell(fd, slot);
  }
  return node;
}

std::vector<HandleNode*> Poller::unwatch_all() noexcept {
  std::vector<HandleNode*> nodes;
  for (std::size_t fd = 0; fd < slots_.size(); ++fd) {
    for (const Direction direction : {read, write}) {
      if (HandleNode* node = unwatch(static_cast<int>(fd), direction)) nodes.push_back(node);
    }
  }
  return nodes;
}

Poller::Outcome Poller::wait(std::optional<Duration> timeout, NodeQueue& ready, bool for_host) {
  constexpr int capacity = 256;  // more ready descriptors than that are found by the next poll
  epoll_event events[capacity];
  const bool blocking = !timeout || *timeout > Duration::zero();
  const bool for_proof = blocking && active_ != 0 && !unproven_.empty() && (!timeout || *timeout > proof_duration);
  if (for_proof) timeout = proof_duration;
  const int count = wait_for_events(epoll_fd_, events, capacity, timeout);
  if (count > 0 || blocking || !unproven_.empty()) now_ = milliseconds_now();
  bool woken = false;
  const auto dispatch_all = [&](bool at_once) {
    for (int i = 0; i < count; ++i) {  // -1 on EINTR: a turn with nothing ready, which looks at the time again
      const auto fd = static_cast<int>(events[i].data.u64 & 0xFFFF'FFFFU);
      if (fd == wake_fd_) {
        woken = true;
      } else {
        dispatch(fd, static_cast<std::uint32_t>(events[i].data.u64 >> 32), events[i].events, at_once, ready);
      }
    }
  };
  dispatch_all(false);
  if ((blocking || for_host) && ready.empty() && !woken) dispatch_all(true);  // R3: awake for nothing
  if (!unproven_.empty() && now_ - last_proof_ >= proof_period) prove_aged(ready);
  if (orphaned_) [[unlikely]] make_set_anew(ready);
  return {.woken = woken, .timed_out = count == 0 && !for_proof};
}

void Poller::wake(HandleNode* node, NodeQueue& ready) noexcept {
  if (node == nullptr || node->queued) return;
  node->retain();
  node->queued = true;
  ready.push(*node);
}

/// For a descriptor that cannot be polled any more: they find out why. A reader that stays would run for ever.
void Poller::wake_waiters(Slot& slot, NodeQueue& ready) noexcept {
  for (HandleNode* node : slot.nodes) {
    if (node != nullptr && !node->persistent) wake(node, ready);
  }
}

void Poller::dispatch(int fd, std::uint32_t generation, std::uint32_t events, bool at_once, NodeQueue& ready) noexcept {
  Slot& slot = slots_[static_cast<std::size_t>(fd)];
  if (!slot.registered || slot.generation != generation) [[unlikely]] {
    if (slot.registered || !control(EPOLL_CTL_DEL, fd, slot, 0)) orphaned_ = true;
    return;
  }
  constexpr unsigned over = EPOLLHUP | EPOLLERR;  // reported unasked
  if ((events & (over | EPOLLRDHUP)) != 0) distrust(slot);
  // Errors and hang-ups wake both sides: whoever calls next learns of them.
  const bool sides[2] = {(events & ~static_cast<unsigned>(EPOLLOUT)) != 0,
                         (events & ~static_cast<unsigned>(EPOLLIN | EPOLLRDHUP)) != 0};
  std::uint8_t unwanted = 0;
  for (const Direction direction : {read, write}) {
    if (!sides[direction]) continue;
    if (slot.nodes[direction] == nullptr) {
      unwanted |= bit(direction);
    } else {
      slot.quick = now_ - slot.since <= proof_period;
      wake(slot.nodes[direction], ready);
    }
  }
  const auto rest = static_cast<std::uint8_t>(slot.armed & ~unwanted);
  const bool for_good = (events & over) != 0 && bits_of(slot.nodes) == 0;
  if (rest == slot.armed && !for_good) return;
  if (at_once || slot.noticed) {
    silence(fd, slot, rest, for_good);
  } else {
    slot.noticed = true;
  }
}

void Poller::silence(int fd, Slot& slot, std::uint8_t mask, bool for_good) noexcept {
  slot.noticed = false;
  if (for_good ? control(EPOLL_CTL_DEL, fd, slot, 0) : control(EPOLL_CTL_MOD, fd, slot, mask)) {
    slot.registered = !for_good;
    slot.armed = for_good ? 0 : mask;
  } else {
    slot.registered = false;
    slot.armed = 0;
    orphaned_ = true;
  }
}

/// Whether somebody waits who has not been woken.
bool Poller::awaits(const Slot& slot) noexcept {
  const auto waits = [](const HandleNode* node) { return node != nullptr && !node->queued; };
  return waits(slot.nodes[read]) || waits(slot.nodes[write]);
}

Poller::Told Poller::prove(int fd, Slot& slot, NodeQueue& ready) noexcept {
  const Told told = tell(fd, slot);
  distrust(slot);
  if (told != Told::confirmed) {
    slot.deceived = true;
    ++deceptions_;
  }
  if (told == Told::refused) wake_waiters(slot, ready);
  return told;
}

void Poller::prove_aged(NodeQueue& ready) noexcept {
  last_proof_ = now_;
  std::erase_if(unproven_, [&](int fd) {
    Slot& slot = slots_[static_cast<std::size_t>(fd)];
    if (slot.unproven && awaits(slot)) {
      if (!slot.aged) return slot.aged = true, false;
      prove(fd, slot, ready);
    }
    slot.listed = false;
    return true;
  });
}

bool Poller::prove_all(NodeQueue& ready) noexcept {
  bool changed = false;
  for (const int fd : unproven_) {
    Slot& slot = slots_[static_cast<std::size_t>(fd)];
    if (slot.unproven && awaits(slot) && prove(fd, slot, ready) != Told::confirmed) changed = true;
    slot.listed = false;
  }
  unproven_.clear();
  return changed;
}

void Poller::make_set_anew(NodeQueue& ready) noexcept {
  const int fresh = ::epoll_create1(EPOLL_CLOEXEC);
  if (fresh < 0) return;  // the next poll tries again
  const bool made = add_wake_fd(fresh, wake_fd_) && ::dup3(fresh, epoll_fd_, O_CLOEXEC) >= 0;
  ::close(fresh);
  if (!made) return;
  ++sets_made_;
  orphaned_ = false;
  for (std::size_t fd = 0; fd < slots_.size(); ++fd) {
    Slot& slot = slots_[fd];
    slot.registered = false;
    slot.armed = 0;
    if (bits_of(slot.nodes) != 0 && tell(static_cast<int>(fd), slot) == Told::refused) wake_waiters(slot, ready);
  }
}

}  // namespace coir::detail
