// SPDX-License-Identifier: MIT
// The unit of every benchmark here: `r`, one raw Boost.Context switch, measured in the same process right before.
#pragma once

#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fiber.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace bench {

namespace raw {

/// Two flows of control that do nothing but switch to each other. go(n) makes 2 * n switches.
///
/// The same jump costs 5 to 8 ns depending on the loop around it: where it is aligned, whether the context lives in a
/// register or in memory. So there are several forms, and the least of them is the unit: the hardest one to compare with.
class Jump {
 public:
  Jump() : other_(boost::context::detail::make_fcontext(stack_.data() + stack_.size(), stack_.size(), partner)) {}
  void go(std::size_t n) noexcept {
    auto other = other_;
    for (; n != 0; --n) other = boost::context::detail::jump_fcontext(other, nullptr).fctx;
    other_ = other;
  }

 private:
  static void partner(boost::context::detail::transfer_t from) {
    for (;;) from = boost::context::detail::jump_fcontext(from.fctx, nullptr);
  }
  // Abandoned with the partner suspended in it: its frames own nothing.
  std::vector<char> stack_ = std::vector<char>(std::size_t{16} << 10);
  boost::context::detail::fcontext_t other_;
};

/// The context lives in a register or on the stack of the loop; Unroll jumps share one loop branch.
template <int Unroll>
class LocalFiber {
 public:
  void go(std::size_t n) noexcept {
    bool stop = false;
    boost::context::fiber other([&stop](boost::context::fiber&& from) {
      boost::context::fiber back = std::move(from);
      while (!stop) back = std::move(back).resume();
      return back;
    });
    for (n /= Unroll; n != 0; --n) {
      for (int i = 0; i < Unroll; ++i) other = std::move(other).resume();
    }
    stop = true;
    other = std::move(other).resume();
  }
};

/// Both contexts live in memory, as in every scheduler.
class StoredFiber {
 public:
  void go(std::size_t n) noexcept {
    bool stop = false;
    std::array<boost::context::fiber, 2> stored;
    stored[1] = boost::context::fiber([&](boost::context::fiber&& from) {
      stored[0] = std::move(from);
      while (!stop) stored[0] = std::move(stored[0]).resume();
      return std::move(stored[0]);
    });
    for (; n != 0; --n) stored[1] = std::move(stored[1]).resume();
    stop = true;
    stored[1] = std::move(stored[1]).resume();
  }
};

/// Nanoseconds per switch: the least of a few short rounds, so that an interrupt does not count.
template <class Form>
double measure(Form&& form) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t pairs = 10'000;
  double least = 1e9;
  for (int round = 0; round < 8; ++round) {
    const auto began = Clock::now();
    form.go(pairs);
    least = std::min(least, std::chrono::duration<double, std::nano>(Clock::now() - began).count() / (2 * pairs));
  }
  return least;
}

}  // namespace raw

/// What a raw switch costs at this moment, in nanoseconds. Takes about 5 ms.
inline double raw_switch_ns() {
  return std::min({raw::measure(raw::Jump{}), raw::measure(raw::LocalFiber<1>{}), raw::measure(raw::LocalFiber<4>{}),
                   raw::measure(raw::StoredFiber{})});
}

/// Adds to a benchmark the counters `r`, its time per operation in raw switches, and `raw_ns`, what one of them took.
/// Construct it before the loop. `operations` are those of one iteration.
class InRawSwitches {
 public:
  explicit InRawSwitches(benchmark::State& state, double operations = 1) {
    const double ns = raw_switch_ns();
    // The library divides: 1 / (value * iterations / time).
    state.counters["r"] = benchmark::Counter(
        operations * ns * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    state.counters["raw_ns"] = ns;
    if (operations != 1) {
      state.counters["ns_per_op"] = benchmark::Counter(
          operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
    }
  }
};

}  // namespace bench
