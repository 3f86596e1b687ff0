// SPDX-License-Identifier: MIT
#include <coir/clock.hpp>

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
  static SteadyClock clock;
  return clock;
}

}  // namespace coir
