// Floors made of what the machine, the kernel and the standard library offer.
// SPDX-License-Identifier: MIT
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <queue>

#include "../raw_switch.hpp"
#include "floor.hpp"

using race::Figure;

/// The least of several forms, and of several rounds: the unit of all the others.
Figure raw_switch() { return bench::raw_switch_ns(); }

// ---- threads --------------------------------------------------------------------------------------------------------

namespace {

class EventFd {
 public:
  EventFd() : fd_(::eventfd(0, EFD_CLOEXEC)) { race::check(fd_ >= 0, "eventfd"); }
  ~EventFd() { ::close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;
  void wake() const { race::check(::eventfd_write(fd_, 1) == 0, "eventfd_write"); }
  void sleep() const {
    eventfd_t value = 0;
    race::check(::eventfd_read(fd_, &value) == 0, "eventfd_read");
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

/// As a loop sleeps: in epoll_wait(), and the eventfd is drained behind it.
class Sleeper {
 public:
  Sleeper() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    race::check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_.fd(), &wanted) == 0, "epoll_ctl");
  }
  ~Sleeper() { ::close(epoll_); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  void wake() const { event_.wake(); }
  void sleep() const {
    epoll_event ready{};
    while (::epoll_wait(epoll_, &ready, 1, -1) != 1) {
    }
    event_.sleep();
  }

 private:
  EventFd event_;
  int epoll_;
};

}  // namespace

/// The loop wakes a thread that sleeps in read(), which wakes the loop in epoll_wait().
Figure thread_round_trip() {
  constexpr int count = 2000;
  Sleeper loop;
  EventFd asked;
  std::thread worker([&] {
    for (int i = 0; i < count * (race::rounds + 1); ++i) {
      asked.sleep();
      loop.wake();
    }
  });
  const double ns = race::ns_each(count, [&] {
    for (int i = 0; i < count; ++i) {
      asked.wake();
      loop.sleep();
    }
  });
  worker.join();
  return ns;
}

/// A lock-free stack of completions that are there beforehand, taken as a whole; a wake-up only where the loop sleeps.
Figure post_burst() {
  struct Posted {
    Posted* next;
    void (*call)(std::size_t&);
  };
  static Posted asleep;  // what the stack ends with while the loop sleeps
  std::vector<Posted> posts(race::Bursts::size, {nullptr, [](std::size_t& ran) { ++ran; }});
  std::atomic<Posted*> inbox{nullptr};
  Sleeper loop;
  std::size_t ran = 0;

  race::Bursts bursts([&](int i) {
    Posted* const post = &posts[static_cast<std::size_t>(i)];
    Posted* before = inbox.load(std::memory_order_relaxed);
    do {
      post->next = before;
    } while (!inbox.compare_exchange_weak(before, post, std::memory_order_acq_rel, std::memory_order_relaxed));
    if (before == &asleep) loop.wake();
  });
  const auto one_burst = [&] {
    bursts.ask();
    for (int left = race::Bursts::size; left != 0;) {
      Posted* nothing = nullptr;
      if (inbox.compare_exchange_strong(nothing, &asleep, std::memory_order_acq_rel)) loop.sleep();
      Posted* batch = nullptr;
      for (Posted* p = inbox.exchange(nullptr, std::memory_order_acq_rel); p != nullptr && p != &asleep;) {
        Posted* const older = p->next;
        p->next = std::exchange(batch, p);  // oldest first
        p = older;
      }
      for (; batch != nullptr; batch = batch->next, --left) batch->call(ran);
    }
  };
  constexpr std::size_t count = 50;
  const double ns = race::ns_each(count * race::Bursts::size, [&] {
    for (std::size_t i = 0; i < count; ++i) one_burst();
  });
  race::check(ran == count * race::Bursts::size * (race::rounds + 1), "posts lost");
  return ns;
}

// ---- timers ---------------------------------------------------------------------------------------------------------

namespace {

struct Timer {
  std::chrono::nanoseconds when;
  void (**callback)(std::size_t&);
  bool operator<(const Timer& other) const noexcept { return other.when < when; }
};

/// A heap of a million, each with a callback of its own, deadlines an hour or two ahead in no order.
struct Timers {
  static constexpr std::size_t more = 10'000 * (race::rounds + 1);
  Timers() : callbacks(race::million + more, [](std::size_t& fired) { ++fired; }) {
    std::vector<Timer> storage(callbacks.size());
    storage.clear();  // its memory is there, and has been touched
    heap = std::priority_queue<Timer>({}, std::move(storage));
    for (std::size_t i = 0; i < race::million; ++i) insert();
  }
  void insert() { heap.push({std::chrono::hours(1) + random.below(std::chrono::hours(1)), &callbacks[heap.size()]}); }
  std::vector<void (*)(std::size_t&)> callbacks;
  std::priority_queue<Timer> heap;
  race::Random random;
};

double pop_all(bool fire) {
  Timers timers;
  std::size_t fired = 0;
  const auto began = std::chrono::steady_clock::now();
  for (; !timers.heap.empty(); timers.heap.pop()) {
    if (fire) (*timers.heap.top().callback)(fired);
  }
  race::keep(fired);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count() / race::million;
}

}  // namespace

Figure timer_insert() {
  constexpr std::size_t count = Timers::more / (race::rounds + 1);
  Timers timers;
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) timers.insert();
  });
}

/// fire_ns: with a call of each one's callback, which is elsewhere in memory.
Figure timer_pop() { return {pop_all(false), "fire_ns=" + std::to_string(pop_all(true))}; }

// ---- exceptions -----------------------------------------------------------------------------------------------------

namespace {

struct Cancelled {};

template <int Frames>
Figure throw_behind() {
  constexpr std::size_t count = 5000;
  std::size_t caught = 0;
  return race::ns_each(count, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      try {
        race::behind<Frames>([] { throw Cancelled{}; });
      } catch (const Cancelled&) {
        ++caught;
      }
    }
  });
}

}  // namespace

Figure cancel_1() { return throw_behind<1>(); }
Figure cancel_10() { return throw_behind<10>(); }
