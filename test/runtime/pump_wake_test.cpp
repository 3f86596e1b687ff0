// SPDX-License-Identifier: MIT
// What wakes the host of a guest, and what does not: kept registrations, timers of the system, other threads.
#include "guest_test.hpp"

#include <coir/io.hpp>

#include <algorithm>
#include <atomic>

namespace coir::test {
namespace {

using PumpWakeTest = GuestTest;

TEST_F(PumpWakeTest, DataThatNobodyWaitsForDoesNotMakeTheHostSpin) {  // R3
  DescriptorPair pipe(make_pipe());
  auto task = loop().create_task([&] {
    for (int i = 0; i < 10; ++i) {
      await_readable(pipe[0]);
      EXPECT_EQ(take(pipe[0]), 'x');
    }
    sleep(1h);
    await_readable(pipe[0]);
    EXPECT_EQ(take(pipe[0]), 'x');
    trace("read");
  });
  for (int i = 0; i < 10; ++i) {
    pump_while_readable();
    put(pipe[1]);
  }
  pump_while_readable();
  put(pipe[1]);
  EXPECT_LE(pump_while_readable(), 1);
  EXPECT_FALSE(readable());
  run_host();
  EXPECT_EQ(events, (Trace{"read"}));
}

TEST_F(PumpWakeTest, ASetThatIsMadeAnewStaysInThatOfTheHost) {  // R3
  DescriptorPair pipe(make_pipe());
  DescriptorPair other(make_pipe());
  const int number = ::dup(pipe[0]);
  auto task = loop().create_task([&] {
    for (int i = 0; i < 2; ++i) {
      await_readable(number);
      EXPECT_EQ(take(number), 'x');
    }
  });
  pump_while_readable();
  put(pipe[1]);
  pump_while_readable();
  put(pipe[1]);
  pump_while_readable();
  EXPECT_TRUE(task.done());
  ::dup2(other[0], number);  // while pipe[0] keeps the old file, and its registration, alive
  put(pipe[1]);
  pump_while_readable();
  loop().add_reader(number, [&] {
    take(number);
    trace("the new file");
  });
  pump_while_readable();
  EXPECT_FALSE(readable());
  put(other[1]);
  EXPECT_TRUE(readable());
  pump_while_readable();
  EXPECT_EQ(events, (Trace{"the new file"}));
  EXPECT_TRUE(loop().remove_reader(number));
  ::close(number);
}

/// On the system's clock.
class SystemPumpTest : public DescriptorTest {
 protected:
  static int readable_within(EventLoop& loop, int timeout) {
    pollfd poll{loop.backend_fd(), POLLIN, 0};
    return ::poll(&poll, 1, timeout);
  }
  /// Until `done`, for two seconds at the most.
  template <class Done>
  static void run_host(EventLoop& loop, Done done) {
    const auto begun = std::chrono::steady_clock::now();
    while (!done() && std::chrono::steady_clock::now() - begun < 2s) {
      if (readable_within(loop, 100) == 1) loop.pump();
    }
    EXPECT_TRUE(done());
  }
};

TEST_F(SystemPumpTest, TimersMakeTheDescriptorReadableInTime) {  // contract 5
  EventLoop loop;
  RecordingHost host;
  const Attachment attachment(loop, host);
  std::vector<Duration> late;
  for (const Duration delay : {Duration(30ms), Duration(10ms), Duration(20ms)}) {
    const TimePoint due = loop.time() + delay;
    loop.call_at(due, [&, due] { late.push_back(loop.time() - due); });
  }
  run_host(loop, [&] { return late.size() == 3; });
  for (const Duration by : late) EXPECT_GE(by, 0ms);
  EXPECT_LT(*std::min_element(late.begin(), late.end()), 1ms);  // the machine may be busy
  const std::uint64_t turns = loop.turns();
  EXPECT_EQ(readable_within(loop, 30), 0);
  EXPECT_EQ(loop.turns(), turns);
}

TEST_F(SystemPumpTest, AnIdleGuestCostsNothing) {
  EventLoop loop;
  RecordingHost host;
  const Attachment attachment(loop, host);
  auto task = loop.create_task([] { sleep(300ms); });
  loop.pump();
  const std::uint64_t turns = loop.turns();
  run_host(loop, [&] { return task.done(); });
  EXPECT_LE(loop.turns() - turns, 5U);
}

TEST_F(SystemPumpTest, AGuestThatWaitsForItsHostIsNoDeadlock) {
  EventLoop loop;
  RecordingHost host;
  const Attachment attachment(loop, host);
  auto answer = loop.create_future<void>();
  auto task = loop.create_task([&] { await(answer); });
  loop.pump();
  EXPECT_EQ(readable_within(loop, 120), 0);  // by then a loop of its own would have called it one
  loop.pump();
  EXPECT_EQ(host.stops, 0);
  answer.set_result();
  run_host(loop, [&] { return task.done(); });
}

TEST_F(SystemPumpTest, NoWakeUpFromAnotherThreadIsLost) {
  EventLoop loop;
  RecordingHost host;
  const Attachment attachment(loop, host);
  constexpr int posts = 10'000;
  int ran = 0;
  std::atomic<int> seen{0};
  std::thread poster([&] {
    for (int i = 0; i < posts; ++i) {
      loop.call_soon_threadsafe([&] { seen = ++ran; });
      if (i % 100 == 0) {
        while (seen <= i) std::this_thread::yield();  // asleep by now, or on its way
      }
    }
  });
  run_host(loop, [&] { return ran == posts; });
  poster.join();
}

TEST_F(SystemPumpTest, ARegistrationThatIsGoneIsFoundOut) {  // R4
  EventLoop loop;
  RecordingHost host;
  const Attachment attachment(loop, host);
  DescriptorPair pipe(make_pipe());
  DescriptorPair other(make_pipe());
  auto task = loop.create_task([&] {
    for (int i = 0; i < 11; ++i) {
      if (i == 10) ::dup2(other[0], pipe[0]);  // the next wait relies on the registration of the old file
      put(i == 10 ? other[1] : pipe[1]);
      await_readable(pipe[0]);
      EXPECT_EQ(take(pipe[0]), 'x');
    }
  });
  const TimePoint begun = loop.time();
  run_host(loop, [&] { return task.done(); });
  EXPECT_GE(loop.time() - begun, 50ms) << "the wait did not rely on it, so this shows nothing";
}

}  // namespace
}  // namespace coir::test
