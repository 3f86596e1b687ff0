// SPDX-License-Identifier: MIT
#include "poller.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace coir::detail {
namespace {

std::uint32_t events_of(HandleNode* const (&nodes)[2]) noexcept {
  return (nodes[Poller::read] != nullptr ? EPOLLIN : 0U) | (nodes[Poller::write] != nullptr ? EPOLLOUT : 0U);
}

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

}  // namespace

Poller::Poller(int wake_fd) : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)), wake_fd_(wake_fd) {
  if (epoll_fd_ < 0) throw std::system_error(errno, std::generic_category(), "an event loop needs an epoll descriptor");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_fd;
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
    const int error = errno;
    ::close(epoll_fd_);
    throw std::system_error(error, std::generic_category(), "an event loop cannot poll its eventfd");
  }
}

Poller::~Poller() { ::close(epoll_fd_); }

void Poller::update(int fd, const Slot& before) {
  const Slot& now = slots_[static_cast<std::size_t>(fd)];
  epoll_event event{};
  event.events = events_of(now.nodes);
  event.data.fd = fd;
  const std::uint32_t old = events_of(before.nodes);
  if (event.events == old) return;
  int operation = old == 0 ? EPOLL_CTL_ADD : event.events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  int result = ::epoll_ctl(epoll_fd_, operation, fd, &event);
  // The descriptor was closed and its number given to another file: the kernel has forgotten, or still knows, it.
  if (result != 0 && operation == EPOLL_CTL_MOD && errno == ENOENT) {
    result = ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  } else if (result != 0 && operation == EPOLL_CTL_ADD && errno == EEXIST) {
    result = ::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event);
  }
  if (result != 0 && event.events != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "descriptor " + std::to_string(fd) + " cannot be polled by the event loop");
  }
}

HandleNode* Poller::watch(int fd, Direction direction, HandleNode& node) {
  try {
    if (fd < 0) throw std::system_error(EBADF, std::generic_category(), "descriptor " + std::to_string(fd));
    if (slots_.size() <= static_cast<std::size_t>(fd)) slots_.resize(static_cast<std::size_t>(fd) + 1);
    Slot& slot = slots_[static_cast<std::size_t>(fd)];
    const Slot before = slot;
    slot.nodes[direction] = &node;
    try {
      update(fd, before);
    } catch (...) {
      slot = before;
      throw;
    }
    if (events_of(before.nodes) == 0) ++active_;
    return before.nodes[direction];
  } catch (...) {
    node.release();
    throw;
  }
}

HandleNode* Poller::unwatch(int fd, Direction direction) noexcept {
  HandleNode* node = watched(fd, direction);
  if (node == nullptr) return nullptr;
  Slot& slot = slots_[static_cast<std::size_t>(fd)];
  const Slot before = slot;
  slot.nodes[direction] = nullptr;
  try {
    update(fd, before);
  } catch (const std::system_error&) {  // closed before it was removed: there is nothing left to tell the kernel
  }
  if (events_of(slot.nodes) == 0) --active_;
  return node;
}

HandleNode* Poller::watched(int fd, Direction direction) const noexcept {
  if (fd < 0 || slots_.size() <= static_cast<std::size_t>(fd)) return nullptr;
  return slots_[static_cast<std::size_t>(fd)].nodes[direction];
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

bool Poller::wait(std::optional<Duration> timeout, NodeQueue& ready) {
  constexpr int capacity = 256;  // more ready descriptors than that are found by the next poll
  epoll_event events[capacity];
  const int count = wait_for_events(epoll_fd_, events, capacity, timeout);
  bool woken = false;
  for (int i = 0; i < count; ++i) {  // -1 on EINTR: a turn with nothing ready, which looks at the time again
    if (events[i].data.fd == wake_fd_) {
      woken = true;
      continue;
    }
    Slot& slot = slots_[static_cast<std::size_t>(events[i].data.fd)];
    // Errors and hang-ups wake both sides: whoever calls next learns of them.
    const bool sides[2] = {(events[i].events & ~static_cast<unsigned>(EPOLLOUT)) != 0,
                           (events[i].events & ~static_cast<unsigned>(EPOLLIN)) != 0};
    for (const Direction direction : {read, write}) {
      HandleNode* node = slot.nodes[direction];
      if (!sides[direction] || node == nullptr || node->queued) continue;
      node->retain();
      node->queued = true;
      ready.push(*node);
    }
  }
  return woken;
}

}  // namespace coir::detail
