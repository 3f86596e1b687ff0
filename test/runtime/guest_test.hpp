// SPDX-License-Identifier: MIT
// A loop as the guest of a host that does what the test says.
#pragma once

#include "descriptor_test.hpp"

#include <coir/host.hpp>

#include <poll.h>

#include <optional>

namespace coir::test {

/// Records what it is told.
class RecordingHost final : public Host {
 public:
  void hold(bool wanted) noexcept override { held = wanted; }
  void stopped() noexcept override { ++stops; }
  bool held = false;
  int stops = 0;
};

/// Attached from the start to `host`, and pumped once, so that nothing is ready.
class GuestTest : public DescriptorTest {
 protected:
  GuestTest() { attach(); }

  void attach() {
    attachment.emplace(loop(), host);
    pump();
  }
  void detach() {
    attachment->detach();
    attachment.reset();
  }
  PumpResult pump(PumpBudget budget = {}) { return loop().pump(budget); }
  /// Within so many milliseconds.
  bool readable(int timeout = 0) {
    pollfd poll{loop().backend_fd(), POLLIN, 0};
    return ::poll(&poll, 1, timeout) == 1;
  }
  /// Pumps as long as there is something to do; the virtual clock does not move.
  int pump_while_readable() {
    int pumps = 0;
    for (; readable() && pumps < 1000; ++pumps) pump();
    EXPECT_LT(pumps, 1000) << "the host spins";
    return pumps;
  }
  /// A host that has all the time of the virtual clock: runs until nothing is left to do.
  void run_host() {
    for (;;) {
      pump_while_readable();
      const TimePoint deadline = loop().next_deadline();
      if (deadline == TimePoint::max()) return;
      clock.jump_to(deadline);
      pump();
    }
  }
  void TearDown() override {
    if (attachment) detach();
    DescriptorTest::TearDown();
  }

  RecordingHost host;
  std::optional<Attachment> attachment;
};

}  // namespace coir::test
