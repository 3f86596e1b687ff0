// The C++ side of the race's protocol: a program is a table of workloads. Only the standard library and POSIX.
// SPDX-License-Identifier: MIT
//
//     PROGRAM --list      the names of its workloads, one a line
//     PROGRAM WORKLOAD    runs that one once: prints `WORKLOAD VALUE UNIT [key=value ...]`, exit status 0
//
// Errors go to stderr and end with status 1.
#pragma once

#include <ctime>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace race {

/// What a workload found: its value, and whatever else is worth a `key=value`.
struct Figure {
  Figure(double v, std::string k = {}) : value(v), keys(std::move(k)) {}  // NOLINT: a number is a figure
  double value;
  std::string keys;
};

struct Workload {
  std::string_view name;
  std::string_view unit;
  std::function<Figure()> measure;
};

inline void check(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

/// main() of every participant. The process ends without destructors of statics, threads or what was leaked: to take
/// apart a million suspended tasks is not part of any workload.
inline int run(int argc, char** argv, std::initializer_list<Workload> workloads) {
  const std::string_view wanted = argc == 2 ? argv[1] : "";
  if (wanted == "--list") {
    for (const Workload& w : workloads) std::printf("%s\n", std::string(w.name).c_str());
    return 0;
  }
  for (const Workload& w : workloads) {
    if (w.name != wanted) continue;
    try {
      const Figure found = w.measure();
      std::printf("%s %.6g %s%s%s\n", std::string(w.name).c_str(), found.value, std::string(w.unit).c_str(),
                  found.keys.empty() ? "" : " ", found.keys.c_str());
      std::fflush(stdout);
      std::_Exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
      return 1;
    }
  }
  std::fprintf(stderr, "usage: %s --list | WORKLOAD\n", argv[0]);
  return 1;
}

// ---- time -----------------------------------------------------------------------------------------------------------

inline constexpr int rounds = 7;

/// The durations of a run's rounds. Their median, so that one interrupt does not count; the first one warms up.
class Laps {
 public:
  void begin() { began_ = std::chrono::steady_clock::now(); }
  void end() { push(std::chrono::steady_clock::now()); }
  /// Ends a round, if one has begun, and begins the next.
  void mark() {
    const auto now = std::chrono::steady_clock::now();
    if (began_ != Time{}) push(now);
    began_ = now;
  }
  [[nodiscard]] bool complete() const noexcept { return ns_.size() >= rounds + 1; }
  [[nodiscard]] double median_ns() const {
    check(ns_.size() >= 2, "too few rounds");
    std::vector<double> ns(ns_.begin() + 1, ns_.end());
    const auto middle = ns.begin() + static_cast<std::ptrdiff_t>(ns.size() / 2);
    std::nth_element(ns.begin(), middle, ns.end());
    return *middle;
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  void push(Time now) { ns_.push_back(std::chrono::duration<double, std::nano>(now - began_).count()); }
  Time began_{};
  std::vector<double> ns_;
};

/// Nanoseconds of one of the `operations` that round() makes. What prepare() does before each round does not count.
template <class Prepare, class Round>
double ns_each(std::size_t operations, Prepare&& prepare, Round&& round) {
  Laps laps;
  while (!laps.complete()) {
    prepare();
    laps.begin();
    round();
    laps.end();
  }
  return laps.median_ns() / static_cast<double>(operations);
}

template <class Round>
double ns_each(std::size_t operations, Round&& round) {
  return ns_each(
      operations, [] {}, round);
}

/// For N tasks that yield in turn, where to create them is not to count: each yields turns() times, and the
/// first of them calls lead() before each of its own.
class RoundRobin {
 public:
  explicit RoundRobin(std::size_t tasks)
      : tasks_(tasks), laps_each_(std::max<std::size_t>(1, yields_a_round / tasks)) {}
  [[nodiscard]] std::size_t turns() const noexcept {
    const std::size_t enough = tasks_ > yields_a_round ? 5 : rounds;  // a round of a million takes long
    return laps_each_ * (enough + 1) + 1;
  }
  void lead() {
    if (turn_++ % laps_each_ == 0) laps_.mark();
  }
  [[nodiscard]] double ns_per_yield() const { return laps_.median_ns() / static_cast<double>(laps_each_ * tasks_); }

 private:
  static constexpr std::size_t yields_a_round = 500'000;
  std::size_t tasks_, laps_each_, turn_ = 0;
  Laps laps_;
};

inline double seconds_on(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
/// User and system time of the whole process.
inline double cpu_seconds() { return seconds_on(CLOCK_PROCESS_CPUTIME_ID); }

// ---- memory ---------------------------------------------------------------------------------------------------------

/// Resident memory and mappings that came since construction.
class Memory {
 public:
  Memory() : resident_(resident()), mappings_(mappings()) {}
  [[nodiscard]] Figure per_task(double tasks) const {
    return {(resident() - resident_) / tasks, "vmas=" + std::to_string(mappings() - mappings_)};
  }

 private:
  static double resident() {
    std::ifstream status("/proc/self/status");  // not statm: it is exact only within 64 pages for each thread
    for (std::string word; status >> word;) {
      double kib = 0;
      if (word == "VmRSS:" && status >> kib) return kib * 1024;
    }
    throw std::runtime_error("no VmRSS in /proc/self/status");
  }
  static long mappings() {
    std::ifstream maps("/proc/self/maps");
    long lines = 0;
    for (std::string line; std::getline(maps, line);) ++lines;
    return lines;
  }
  double resident_;
  long mappings_;
};

// ---- what workloads have in common ----------------------------------------------------------------------------------

inline constexpr std::size_t million = 1'000'000;
inline constexpr std::uint64_t skynet_sum = million * (million - 1) / 2;

/// Makes the compiler believe that `value` is read, and that all memory may change.
template <class T>
void keep(T&& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// The same sequence in every program and run (an LCG; only its upper half is any good).
class Random {
 public:
  /// Uniform in [0, bound).
  std::chrono::nanoseconds below(std::chrono::nanoseconds bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    const double share = static_cast<double>(state_ >> 32) * 0x1p-32;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(share * static_cast<double>(bound.count())));
  }

 private:
  std::uint64_t state_ = 1;
};

/// Calls f() behind `Frames` frames that have a destructor to run each.
template <int Frames, class F>
[[gnu::noinline]] void behind(F&& f) {
  struct Guard {
    ~Guard() { keep(*this); }
    int frame = Frames;
  } guard;
  keep(guard);
  if constexpr (Frames <= 1) {
    f();
  } else {
    behind<Frames - 1>(f);
  }
  keep(guard);  // no tail call
}

/// A thread that calls post() `size` times whenever it is asked for a burst.
class Bursts {
 public:
  static constexpr int size = 1000;
  template <class Post>
  explicit Bursts(Post post)
      : thread_([this, post] {
          for (int served = 0;; ++served) {
            asked_.wait(served);
            if (stop_.load()) return;
            for (int i = 0; i < size; ++i) post(i);
          }
        }) {}
  ~Bursts() {
    stop_.store(true);
    ask();
    thread_.join();
  }
  void ask() {
    asked_.fetch_add(1);
    asked_.notify_one();
  }

 private:
  std::atomic<int> asked_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// loop(ready) runs on each of 8 threads: it sets up an event loop with 10,000 tasks that sleep for an hour, calls
/// ready() from a task created after them, and never returns. CPU milliseconds in a second of that.
template <class Loop>
Figure idle_8_loops(Loop loop) {
  static std::atomic<int> ready{0};
  for (int i = 0; i < 8; ++i) std::thread([loop] { loop([] { ++ready; }); }).detach();
  while (ready.load() != 8) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  return (cpu_seconds() - before) * 1e3;
}

}  // namespace race
