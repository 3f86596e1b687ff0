// SPDX-License-Identifier: MIT
// What a wait leaves in the kernel for the next one, and what becomes of it: descriptors that are closed, numbers that
// are reused, data that nobody waits for.
#include "descriptor_test.hpp"

#include <coir/io.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

namespace {

std::size_t epoll_ctl_calls = 0;

}  // namespace

/// In front of the C library's, for the whole program.
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  using Function = int (*)(int, int, int, epoll_event*);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "epoll_ctl"));
  __atomic_fetch_add(&epoll_ctl_calls, 1, __ATOMIC_RELAXED);
  return real(epoll, operation, fd, event);
}

namespace coir::test {
namespace {

class PollerTest : public DescriptorTest {
 protected:
  static void pass_turns(int count) {
    for (int i = 0; i < count; ++i) sleep(0s);
  }
  /// The loop polls, though nobody waits for a descriptor; on the virtual clock without ever blocking.
  static void go_idle() {
    for (int i = 0; i < 3; ++i) sleep(1ms);
  }
  /// This task waits for byte after byte, until the registration of pair[0] is trusted.
  static void earn_trust(const DescriptorPair& pair, int waits = 30) {
    for (int i = 0; i < waits; ++i) {
      put(pair[1]);
      await_readable(pair[0]);
      EXPECT_EQ(take(pair[0]), 'x');
    }
  }
  template <class Fn>
  static std::size_t calls_of(Fn&& fn) {
    const std::size_t before = epoll_ctl_calls;
    fn();
    return epoll_ctl_calls - before;
  }
  /// What the loop's epoll set reports for this number, by /proc; none if it is not registered.
  std::optional<unsigned> registered(int fd) {
    std::optional<unsigned> found;
    for (int epoll = 0; epoll < 1024; ++epoll) {
      std::array<char, 64> target{};
      const std::string link = "/proc/self/fd/" + std::to_string(epoll);
      if (::readlink(link.c_str(), target.data(), target.size() - 1) <= 0) continue;
      if (std::string(target.data()) != "anon_inode:[eventpoll]") continue;
      std::ifstream info("/proc/self/fdinfo/" + std::to_string(epoll));
      for (std::string line; std::getline(info, line);) {
        std::istringstream words(line);
        std::string tfd;
        std::string label;
        int number = -1;
        unsigned mask = 0;
        if (words >> tfd >> number >> label >> std::hex >> mask && tfd == "tfd:" && number == fd) found = mask;
      }
    }
    return found;
  }
  /// Closes the first end and makes a pipe whose first end gets the first one's number.
  static void reuse_number(DescriptorPair& old, std::optional<DescriptorPair>& reused) {
    const int number = old[0];
    old.close_end(0);
    reused.emplace(make_pipe());
    ASSERT_EQ((*reused)[0], number);
  }
};

TEST_F(PollerTest, WaitAfterWaitTellsTheKernelNextToNothing) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    EXPECT_LE(calls_of([&] { earn_trust(pipe, 1000); }), 100U);
    EXPECT_EQ(loop().stats().descriptors, 0U) << "kept, but nobody waits";
  });
}

TEST_F(PollerTest, WhatWasLeftUnreadEndsTheNextWaitAtOnce) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    for (int i = 0; i < 100; ++i) {
      put(pipe[1]);
      put(pipe[1]);
      await_readable(pipe[0]);
      EXPECT_EQ(take(pipe[0]), 'x');
      await_readable(pipe[0]);
      EXPECT_EQ(take(pipe[0]), 'x');
    }
    EXPECT_EQ(elapsed_ms(), 0);
  });
}

TEST_F(PollerTest, WhatComesWhileNobodyWaitsIsSilencedAndFoundByTheNextWait) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    for (int i = 0; i < 60; ++i) {  // before there is trust and afterwards
      earn_trust(pipe, 1);
      put(pipe[1]);
      go_idle();
      EXPECT_EQ(registered(pipe[0]).value_or(0) & EPOLLIN, 0U);
      EXPECT_EQ(loop().stats().descriptors, 0U);
      await_readable(pipe[0]);
      EXPECT_EQ(take(pipe[0]), 'x');
    }
    EXPECT_EQ(elapsed_ms(), 60 * 3);
  });
}

TEST_F(PollerTest, AHangUpWhileNobodyWaitsIsSilencedAndFoundByTheNextWait) {
  DescriptorPair pipe(make_pipe());
  run([&] {
    earn_trust(pipe);
    pipe.close_end(1);
    go_idle();
    EXPECT_FALSE(registered(pipe[0]));
    await_readable(pipe[0]);
    await_readable(pipe[0]);
    EXPECT_EQ(take(pipe[0]), '\0');
    EXPECT_EQ(elapsed_ms(), 3);
  });
}

TEST_F(PollerTest, RoomToWriteDoesNotDisturbAWaitForData) {
  const DescriptorPair sockets(make_sockets());
  run([&] {
    for (int i = 0; i < 40; ++i) {
      await_writable(sockets[0]);
      loop().call_later(1s, [&] { put(sockets[1]); });
      loop().call_later(500ms, [&] { EXPECT_EQ(registered(sockets[0]).value_or(0) & EPOLLOUT, 0U); });
      await_readable(sockets[0]);
      EXPECT_EQ(take(sockets[0]), 'x');
    }
    EXPECT_EQ(elapsed_ms(), 40'000);
  });
}

TEST_F(PollerTest, AWaitOnAReusedNumberIsForTheNewFile) {
  DescriptorPair pipe(make_pipe());
  std::optional<DescriptorPair> reused;
  run([&] {
    earn_trust(pipe);
    reuse_number(pipe, reused);
    loop().call_later(1s, [&] { put((*reused)[1]); });
    await_readable((*reused)[0]);
    EXPECT_EQ(elapsed_ms(), 1000);
    EXPECT_EQ(take((*reused)[0]), 'x');
    EXPECT_EQ(calls_of([&] { earn_trust(*reused); }), 30U) << "a number that deceived once is not trusted again";
  });
}

TEST_F(PollerTest, ANewTaskOnAReusedNumberIsNotDeceived) {
  DescriptorPair pipe(make_pipe());
  std::optional<DescriptorPair> reused;
  run([&] {
    earn_trust(pipe);
    reuse_number(pipe, reused);
    auto other = create_task([&] { await_readable((*reused)[0]); });
    sleep(0s);
    EXPECT_TRUE(registered((*reused)[0])) << "as soon as it waits";
    put((*reused)[1]);
    await(other);
  });
}

TEST_F(PollerTest, AReusedNumberIsFoundOnTheRealClockToo) {
  DescriptorPair pipe(make_pipe());
  std::optional<DescriptorPair> reused;
  coir::run([&] {
    earn_trust(pipe);
    reuse_number(pipe, reused);
    put((*reused)[1]);
    auto limit = get_running_loop().call_later(10s, [] { ADD_FAILURE() << "never found"; });
    await_readable((*reused)[0]);
    EXPECT_EQ(take((*reused)[0]), 'x');
    limit.cancel();
  });
}

TEST_F(PollerTest, AWaitOnANumberThatWasClosedEnds) {
  DescriptorPair pipe(make_pipe());
  run([&] {
    earn_trust(pipe);
    const int number = pipe[0];
    pipe.close_end(0);
    try {
      await_readable(number);
      await_readable(number);
      ADD_FAILURE() << "no error";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EBADF);
    }
  });
}

TEST_F(PollerTest, AFileThatLivesOnAsADuplicateWakesNobody) {
  DescriptorPair pipe(make_pipe());
  std::optional<DescriptorPair> reused;
  run([&] {
    earn_trust(pipe);
    const DescriptorPair duplicate(std::array<int, 2>{::dup(pipe[0]), -1});
    reuse_number(pipe, reused);
    put(pipe[1]);  // and nobody reads it
    loop().call_later(1s, [&] { put((*reused)[1]); });
    int waits = 1;
    for (; await_readable((*reused)[0]), take((*reused)[0]) != 'x'; ++waits) {
    }
    EXPECT_LE(waits, 70);
    EXPECT_EQ(elapsed_ms(), 1000);
  });
}

TEST_F(PollerTest, AFileThatLivesOnAsADuplicateDoesNotKeepTheLoopBusy) {
  DescriptorPair pipe(make_pipe());
  const DescriptorPair other(make_pipe());
  run([&] {
    loop().add_reader(other[0], [&] {
      take(other[0]);
      trace("other");
    });
    earn_trust(pipe);
    const DescriptorPair duplicate(std::array<int, 2>{::dup(pipe[0]), -1});
    const int number = pipe[0];
    pipe.close_end(0);
    EXPECT_TRUE(registered(number)) << "by way of the duplicate";
    put(pipe[1]);
    pass_turns(4);
    EXPECT_FALSE(registered(number));
    put(other[1]);
    pass_turns(4);
    EXPECT_EQ(events, (Trace{"other"})) << "the others are still watched";
    loop().call_soon_threadsafe([&] { trace("woken"); });
    sleep(1ms);
    EXPECT_EQ(events, (Trace{"other", "woken"}));
    loop().remove_reader(other[0]);
  });
}

TEST_F(PollerTest, AReaderOfADuplicatedFileThatWasClosedFirstDoesNotKeepTheLoopBusy) {
  DescriptorPair pipe(make_pipe());
  run([&] {
    const DescriptorPair duplicate(std::array<int, 2>{::dup(pipe[0]), -1});
    const int number = pipe[0];
    loop().add_reader(number, [] {});
    pipe.close_end(0);
    EXPECT_TRUE(loop().remove_reader(number));
    loop().add_reader(pipe[1], [] {});  // so that turns poll
    put(pipe[1]);
    pass_turns(4);
    EXPECT_FALSE(registered(number));
    loop().remove_reader(pipe[1]);
  });
}

TEST_F(PollerTest, ACancelledWaitLeavesNothing) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    auto task = create_task([&] {
      earn_trust(pipe);
      await_readable(pipe[0]);
    });
    pass_turns(300);
    EXPECT_TRUE(registered(pipe[0]));
    task.cancel("c");
    EXPECT_FALSE(registered(pipe[0]));
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: c");
  });
}

TEST_F(PollerTest, AReaderTakesOverWhatAWaitHasLeft) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    earn_trust(pipe);
    loop().add_reader(pipe[0], [&] {
      take(pipe[0]);
      trace("read");
    });
    put(pipe[1]);
    sleep(1ms);
    EXPECT_EQ(events, (Trace{"read"}));
    EXPECT_TRUE(loop().remove_reader(pipe[0]));
    EXPECT_FALSE(registered(pipe[0]));
    earn_trust(pipe, 2);
  });
}

TEST_F(PollerTest, WhatIsKeptIsNothingToWaitFor) {  // the deadlock is found as without
  DescriptorPair pipe(make_pipe());
  const ChildResult child = in_child([&] {
    try {
      coir::run([&] {
        earn_trust(pipe);
        put(pipe[1]);  // reported once more, to nobody
        await(get_running_loop().create_future<void>());
      });
    } catch (const DeadlockError&) {
      return 0;
    }
    return 1;
  });
  EXPECT_TRUE(child.exited_with(0)) << child.output;
}

}  // namespace
}  // namespace coir::test
