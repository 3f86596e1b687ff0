// SPDX-License-Identifier: MIT
// Every host: both sides make progress, in time, and whatever one does the other hears of.
#include "host_test.hpp"

#include <coir/io.hpp>
#include <coir/threads.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

namespace coir::test {
namespace {

using Hosts = HostTest;
INSTANTIATE_TEST_SUITE_P(, Hosts, ::testing::ValuesIn(host_factories()), name_of_host);

long voluntary_switches() {
  struct rusage usage {};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST_P(Hosts, BothSidesMakeProgress) {
  int host_ticks = 0;
  const std::function<void()> tick = [&] {
    if (++host_ticks < 1000) host->call_later(1, tick);
  };
  host->call_later(1, tick);
  run_task([&] {
    for (int i = 0; i < 20; ++i) sleep(2ms);
    EXPECT_GE(host_ticks, 10);
  });
}

TEST_P(Hosts, ABusyLoopDoesNotStarveTheHost) {
  bool done = false;
  host->call_later(20, [&] { done = true; });
  run_task([&] {
    const TimePoint begun = loop->time();
    while (!done && loop->time() - begun < 2s) sleep(0s);
    EXPECT_TRUE(done);
  });
}

TEST_P(Hosts, ABusyHostDoesNotStarveTheLoop) {  // contract 3: at the priority of the host's events
  int ready = 0;  // so many times in a row
  auto task = loop->create_task([] {
    for (int i = 0; i < 20; ++i) sleep(0s);
  });
  const std::function<void()> again = [&] {
    if (task.done() || ++ready == 500) return host->quit();
    // Due when this returns. Not 0: libuv and libevent would run it before they look at descriptors, for ever.
    host->call_later(1, again);
    for (const TimePoint begun = loop->time(); loop->time() - begun < 2ms;) continue;
  };
  again();
  host->run();
  EXPECT_TRUE(task.done());
}

TEST_P(Hosts, TimersFireWithinAMillisecondOfTheHostsGranularity) {
  run_task([&] {
    int in_time = 0;
    for (int i = 0; i < 40; ++i) {
      const TimePoint due = loop->time() + 1300us;
      sleep(due - loop->time());
      EXPECT_GE(loop->time(), due);
      if (loop->time() <= due + 2ms) ++in_time;  // 1 ms of the host's, and one
    }
    EXPECT_GE(in_time, 10) << "of 40: the machine may be busy";
  });
}

TEST_P(Hosts, IdleCostsNoCpu) {
  run_task([&] {
    sleep(10ms);
    const long before = voluntary_switches();
    const std::uint64_t turns = loop->turns();
    sleep(2s);
    EXPECT_LE(voluntary_switches() - before, 6);
    EXPECT_LE(loop->turns() - turns, 6U);
  });
}

TEST_P(Hosts, TenThousandWakeUpsFromAnotherThreadLoseNone) {
  constexpr int posts = 10'000;
  int ran = 0;
  std::atomic<int> seen{0};
  std::thread poster;
  run_task([&] {
    auto all = loop->create_future<void>();
    poster = std::thread([&] {
      for (int i = 0; i < posts; ++i) {
        loop->call_soon_threadsafe([&] {
          seen = ++ran;
          if (ran == posts) all.set_result();
        });
        while (i % 10 == 0 && seen <= i) std::this_thread::yield();  // the host is about to sleep
      }
    });
    await(all);
  });
  poster.join();
  EXPECT_EQ(ran, posts);
}

TEST_P(Hosts, WhatTheHostsCallbacksCallTakesEffect) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  auto future = loop->create_future<int>();
  auto sleeper = loop->create_task([] { sleep(1h); });
  auto waiter = loop->create_task([&, future] { trace("future " + std::to_string(await(future))); });
  int patience = 500;
  const std::function<void()> finish = [&] {
    if (events.size() < 6 && --patience > 0) return host->call_later(10, finish);
    host->quit();
  };
  const std::vector<std::function<void()>> calls{
      [&] { loop->call_soon([&] { trace("call_soon"); }); },
      [&] { loop->call_later(1ms, [&] { trace("timer"); }); },
      [&] { future.set_result(42); },
      [&] { sleeper.cancel(); },
      [&] {
        loop->add_reader(pipe[0], [&] {
          trace("reader");
          loop->remove_reader(pipe[0]);
        });
        ASSERT_EQ(::write(pipe[1], "x", 1), 1);
      },
      [&] { static_cast<void>(loop->create_task([&] { trace("task"); })); },
      [&] {
        static_cast<void>(loop->create_task([&] {
          sleep(1ms);
          trace("eager task");
        }, TaskOptions{.eager_start = true}));
      },
      [&] { finish(); },
  };
  int delay = 10;
  for (const auto& call : calls) host->call_later(delay += 10, call);  // each finds both sides asleep
  auto keep = loop->create_task([] { sleep(1h); });
  host->run();
  keep.cancel();
  EXPECT_TRUE(sleeper.cancelled());
  std::sort(events.begin(), events.end());  // on a busy machine the host comes to two of them at once
  EXPECT_EQ(events, (Trace{"call_soon", "eager task", "future 42", "reader", "task", "timer"}));
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_P(Hosts, TasksWaitForDescriptorsAndThreads) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  run_task([&] {
    auto reader = create_task([&] {
      std::string text;
      for (char byte = 0; byte != '.';) {
        await_readable(pipe[0]);
        EXPECT_EQ(::read(pipe[0], &byte, 1), 1);
        text += byte;
      }
      return text;
    });
    for (const char* byte : {"a", "b", "c", "."}) {
      to_thread([&] { ASSERT_EQ(::write(pipe[1], byte, 1), 1); });
      sleep(1ms);
    }
    EXPECT_EQ(await(reader), "abc.");
    loop->shutdown_default_executor();
  });
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_P(Hosts, AHostThatEndsWhenItIsIdleWaitsForTheLoop) {
  if (!host->ends_when_idle()) GTEST_SKIP() << "this host runs until it is told to stop";
  auto task = loop->create_task([&] {
    sleep(20ms);
    trace("slept");
  });
  host->run();
  EXPECT_EQ(events, (Trace{"slept"}));

  host->call_later(1, [&] {
    static_cast<void>(loop->create_task([&] {
      sleep(20ms);
      trace("of a callback");
    }));
  });
  host->run();
  EXPECT_EQ(events, (Trace{"slept", "of a callback"}));

  auto timer = loop->call_later(1h, [] {});
  host->call_later(1, [&] { timer.cancel(); });
  host->run();
}

TEST_P(Hosts, StopMakesTheHostReturn) {
  loop->call_later(5ms, [&] { loop->stop(); });
  auto task = loop->create_task([] { sleep(1h); });
  host->run();
  EXPECT_FALSE(task.done());
}

TEST_P(Hosts, TwoLoopsInTwoThreadsWithTwoHosts) {
  const auto count = [](EventLoop& own, HostDriver& driver) {
    int ticks = 0;
    auto task = own.create_task([&] {
      for (; ticks < 50; ++ticks) sleep(200us);
      driver.quit();
    });
    driver.run();
    return ticks;
  };
  int there = 0;
  std::thread other([&] {
    const std::unique_ptr<HostDriver> driver = GetParam().make();
    EventLoop own;
    driver->attach(own);
    there = count(own, *driver);
    driver->drop();
  });
  EXPECT_EQ(count(*loop, *host), 50);
  other.join();
  EXPECT_EQ(there, 50);
}

}  // namespace
}  // namespace coir::test
