// SPDX-License-Identifier: MIT
#include <coir/clock.hpp>

#include <cstddef>
#include <new>

namespace coir {

Clock::~Clock() = default;

namespace {

class SteadyClock final : public Clock {
 public:
  TimePoint now() override { return std::chrono::steady_clock::now(); }
  bool jump_to(TimePoint) override { return false; }
  bool is_virtual() const noexcept override { return false; }
};

}  // namespace

Clock& steady_clock() noexcept {
  // Never destroyed: behind exit() other threads may still run loops.
  alignas(SteadyClock) static std::byte memory[sizeof(SteadyClock)];
  static SteadyClock& clock = *::new (static_cast<void*>(memory)) SteadyClock;
  return clock;
}

}  // namespace coir
