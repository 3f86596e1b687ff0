// SPDX-License-Identifier: MIT
#include "guest.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "poller.hpp"

namespace coir::detail {
namespace {

bool add(int set, int fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  return ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

}  // namespace

GuestDescriptor::GuestDescriptor(const Poller& poller)
    : poller_(poller),
      outer_fd_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (outer_fd_ >= 0 && timer_fd_ >= 0 && add(outer_fd_, timer_fd_) && watch_poller()) return;
  const int error = errno;
  if (outer_fd_ >= 0) ::close(outer_fd_);
  if (timer_fd_ >= 0) ::close(timer_fd_);
  throw std::system_error(error, std::generic_category(), "backend_fd(): a loop that is a guest needs two descriptors");
}

GuestDescriptor::~GuestDescriptor() {
  ::close(timer_fd_);
  ::close(outer_fd_);
}

bool GuestDescriptor::watch_poller() noexcept {
  sets_made_ = poller_.sets_made();
  return add(outer_fd_, poller_.fd());
}

void GuestDescriptor::follow() noexcept {
  if (poller_.sets_made() != sets_made_) watch_poller();
}

void GuestDescriptor::listen(bool on) noexcept {
  if (on) {
    watch_poller();
  } else {
    arm(std::nullopt, TimePoint::max());
    ::epoll_ctl(outer_fd_, EPOLL_CTL_DEL, poller_.fd(), nullptr);
  }
}

void GuestDescriptor::arm(std::optional<TimePoint> deadline, TimePoint now) noexcept {
  const TimePoint wanted = deadline.value_or(TimePoint::max());
  const bool expired = armed_ <= now;
  // One that is too early wakes the host once for nothing, and is set anew then. Deadlines that mostly move on, as that
  // of the nearest of many timeouts does, so cost a call at each expiry and not at each move.
  if (armed_ == TimePoint::max() ? wanted == TimePoint::max() : !expired && armed_ <= wanted) return;
  armed_ = wanted;
  itimerspec spec{};  // zero: disarmed
  if (wanted != TimePoint::max()) {
    // std::chrono::steady_clock is CLOCK_MONOTONIC. Zero would disarm.
    const auto since = std::max<Duration>(wanted.time_since_epoch(), std::chrono::nanoseconds(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    spec.it_value = {static_cast<time_t>(seconds.count()),
                     static_cast<long>(std::chrono::nanoseconds(since - seconds).count())};
  }
  ::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

}  // namespace coir::detail
