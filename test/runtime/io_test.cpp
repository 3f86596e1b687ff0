// SPDX-License-Identifier: MIT
#include "descriptor_test.hpp"

#include <coir/io.hpp>

#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <system_error>

namespace coir::test {
namespace {

class IoTest : public DescriptorTest {
 protected:
  /// Fills the descriptor's buffer.
  static void fill(int fd) {
    const std::array<char, 4096> bytes{};
    while (::write(fd, bytes.data(), bytes.size()) > 0) {
    }
  }
};

TEST_F(IoTest, AReaderRunsInEveryTurnWhileThereIsSomethingToRead) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    int runs = 0;
    loop().add_reader(pipe[0], [&] { ++runs; });
    EXPECT_EQ(loop().stats().descriptors, 1U);
    sleep(0s);
    EXPECT_EQ(runs, 0);
    put(pipe[1]);
    for (int i = 0; i < 5; ++i) sleep(0s);
    EXPECT_GE(runs, 4) << "level-triggered";
    take(pipe[0]);
    sleep(0s);
    sleep(0s);
    const int before = runs;
    sleep(0s);
    EXPECT_EQ(runs, before);
    EXPECT_TRUE(loop().remove_reader(pipe[0]));
    EXPECT_FALSE(loop().remove_reader(pipe[0]));
    EXPECT_EQ(loop().stats().descriptors, 0U);
  });
}

TEST_F(IoTest, AReaderAndAWriterShareADescriptor) {
  const DescriptorPair sockets(make_sockets());
  run([&] {
    loop().add_reader(sockets[0], [&] {
      take(sockets[0]);
      trace("read");
    });
    loop().add_writer(sockets[0], [&] {
      trace("write");
      EXPECT_TRUE(loop().remove_writer(sockets[0]));
    });
    EXPECT_EQ(loop().stats().descriptors, 1U);
    sleep(1ms);
    EXPECT_EQ(events, (Trace{"write"}));
    put(sockets[1]);
    sleep(1ms);
    EXPECT_EQ(events, (Trace{"write", "read"}));
    EXPECT_TRUE(loop().remove_reader(sockets[0]));
    EXPECT_FALSE(loop().remove_writer(sockets[0]));
  });
}

TEST_F(IoTest, ASecondReaderReplacesTheFirst) {
  const DescriptorPair pipe(make_pipe());
  auto alive = std::make_shared<int>();
  run([&] {
    loop().add_reader(pipe[0], [this, alive] { trace("first"); });
    put(pipe[1]);
    loop().add_reader(pipe[0], [&] {
      take(pipe[0]);
      trace("second");
    });
    EXPECT_EQ(alive.use_count(), 1) << "the replaced one is destroyed at once";
    sleep(1ms);
    loop().remove_reader(pipe[0]);
  });
  EXPECT_EQ(events, (Trace{"second"}));
}

TEST_F(IoTest, AReaderMayReplaceAndRemoveItselfWhileItRuns) {
  const DescriptorPair pipe(make_pipe());
  put(pipe[1]);
  loop().add_reader(pipe[0], [&, text = std::string(100, 'x')] {
    loop().add_reader(pipe[0], [&, other = std::string(100, 'y')] {
      EXPECT_TRUE(loop().remove_reader(pipe[0]));
      trace("second " + other.substr(0, 1));
    });
    trace("first " + text.substr(0, 1));  // the captures are still there
  });
  run_ready();
  EXPECT_EQ(events, (Trace{"first x", "second y"}));
}

// CPython: test_base_events.py, test_single_selecter_event_callback_after_stopping.
TEST_F(IoTest, AReaderThatIsRemovedWhenItIsReadyDoesNotRun) {
  const DescriptorPair one(make_pipe());
  const DescriptorPair two(make_pipe());
  put(one[1]);
  put(two[1]);
  const auto remove_both = [&] {
    trace("ran");
    loop().remove_reader(one[0]);
    loop().remove_reader(two[0]);
  };
  loop().add_reader(one[0], remove_both);
  loop().add_reader(two[0], remove_both);
  run_ready();
  EXPECT_EQ(events, (Trace{"ran"}));
}

TEST_F(IoTest, AReaderThatThrowsIsReportedAndStays) {  // L6
  const DescriptorPair pipe(make_pipe());
  put(pipe[1]);
  loop().add_reader(
      pipe[0],
      [&] {
        if (take(pipe[0]) == '\0') return;
        throw std::out_of_range("x");
      },
      "thrower");
  run([&] {
    sleep(1ms);
    put(pipe[1]);
    sleep(1ms);
    EXPECT_TRUE(loop().remove_reader(pipe[0]));
  });
  expect_reported({"Exception in callback 'thrower'", "Exception in callback 'thrower'"});
}

// CPython: test_events.py, EventLoopTestsMixin.test_remove_fds_after_closing.
TEST_F(IoTest, DescriptorsMayBeRemovedAfterTheyWereClosed) {
  DescriptorPair pipe(make_pipe());
  const int reads = pipe[0];
  const int writes = pipe[1];
  loop().add_reader(reads, [] {});
  loop().add_writer(writes, [] {});
  pipe.close_end(0);
  pipe.close_end(1);
  EXPECT_TRUE(loop().remove_reader(reads));
  EXPECT_TRUE(loop().remove_writer(writes));
}

TEST_F(IoTest, ClosingTheLoopDropsReaders) {
  const DescriptorPair pipe(make_pipe());
  auto alive = std::make_shared<int>();
  loop().add_reader(pipe[0], [alive] {});
  loop().close();
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(IoTest, WhatCannotBePolledIsAnError) {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const auto code_of = [](auto&& call) {
    try {
      call();
      return 0;
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  };
  auto alive = std::make_shared<int>();
  EXPECT_EQ(code_of([&] { loop().add_reader(file, [alive] {}); }), EPERM) << "a regular file";
  EXPECT_EQ(code_of([&] { loop().add_writer(file, [alive] {}); }), EPERM);
  EXPECT_EQ(code_of([&] { loop().add_reader(-1, [alive] {}); }), EBADF);
  EXPECT_EQ(code_of([&] { loop().add_reader(100000, [alive] {}); }), EBADF);
  run([&] {
    EXPECT_EQ(code_of([&] { await_readable(file); }), EPERM);
    EXPECT_EQ(code_of([&] { await_writable(file); }), EPERM);
    EXPECT_EQ(code_of([] { await_readable(-1); }), EBADF);
  });
  EXPECT_EQ(alive.use_count(), 1);
  ::close(file);
}

TEST_F(IoTest, AwaitReadableReturnsForDataAndForItsEnd) {
  DescriptorPair pipe(make_pipe());
  run([&] {
    loop().call_later(1s, [&] { put(pipe[1]); });
    await_readable(pipe[0]);
    EXPECT_EQ(elapsed_ms(), 1000);
    EXPECT_EQ(take(pipe[0]), 'x');
    EXPECT_EQ(loop().stats().descriptors, 0U) << "one-shot";
    loop().call_later(1s, [&] { pipe.close_end(1); });
    await_readable(pipe[0]);
    EXPECT_EQ(elapsed_ms(), 2000);
  });
}

TEST_F(IoTest, AwaitWritableWaitsForRoom) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    EXPECT_GE(turns_of([&] { await_writable(pipe[1]); }), 1U) << "suspends always";
    fill(pipe[1]);
    loop().call_later(1s, [&] {
      std::array<char, 65536> bytes;
      EXPECT_GT(::read(pipe[0], bytes.data(), bytes.size()), 0);
    });
    await_writable(pipe[1]);
    EXPECT_EQ(elapsed_ms(), 1000);
  });
}

TEST_F(IoTest, AHangUpWakesBothSides) {
  DescriptorPair sockets(make_sockets());
  run([&] {
    fill(sockets[0]);
    auto reads = create_task([&] { await_readable(sockets[0]); });
    auto writes = create_task([&] { await_writable(sockets[0]); });
    sleep(1ms);
    EXPECT_FALSE(reads.done() || writes.done());
    sockets.close_end(1);
    await(reads);
    await(writes);
  });
}

TEST_F(IoTest, ASecondTaskForTheSameDescriptorAndDirectionIsRefused) {
  const DescriptorPair sockets(make_sockets());
  run([&] {
    auto reads = create_task([&] { await_readable(sockets[0]); });
    sleep(0s);
    expect_usage_error(Reason::fd_in_use, "already waits for descriptor " + std::to_string(sockets[0]),
                       [&] { await_readable(sockets[0]); });
    await_writable(sockets[0]);
    put(sockets[1]);
    await(reads);
    loop().add_reader(sockets[1], [] {});
    expect_usage_error(Reason::fd_in_use, "another task or callback", [&] { await_readable(sockets[1]); });
    loop().remove_reader(sockets[1]);
  });
}

TEST_F(IoTest, CancelDeregistersInsideTheCallSoThatTheNumberMayBeReused) {  // cpython#131728
  DescriptorPair pipe(make_pipe());
  run([&] {
    auto task = create_task([&] { await_readable(pipe[0]); });
    sleep(0s);
    EXPECT_EQ(loop().stats().descriptors, 1U);
    const int number = pipe[0];
    task.cancel("c");
    EXPECT_EQ(loop().stats().descriptors, 0U) << "before the task runs again";
    pipe.close_end(0);
    pipe.close_end(1);
    const DescriptorPair reused(make_pipe());
    ASSERT_EQ(reused[0], number);
    auto other = create_task([&] {
      await_readable(reused[0]);
      trace("other");
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: c");
    sleep(1ms);
    EXPECT_FALSE(other.done());
    put(reused[1]);
    await(other);
  });
  EXPECT_EQ(events, (Trace{"other"}));
}

TEST_F(IoTest, CancelInTheTurnInWhichItIsReadyWins) {  // T3
  const DescriptorPair pipe(make_pipe());
  run([&] {
    Task<void> task;
    task = create_task([&] { await_readable(pipe[0]); });
    sleep(0s);
    put(pipe[1]);
    loop().call_soon([&] { task.cancel("c"); });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: c");
    EXPECT_EQ(loop().stats().descriptors, 0U);
  });
}

TEST_F(IoTest, ABusyReadyQueueDoesNotStarveDescriptors) {  // L14, on the real clock where a busy turn need not poll
  const DescriptorPair pipe(make_pipe());
  coir::run([&] {
    bool read = false;
    get_running_loop().add_reader(pipe[0], [&] {
      read = true;
      get_running_loop().remove_reader(pipe[0]);
    });
    put(pipe[1]);
    EXPECT_LE(turns_of([&] {
                while (!read) sleep(0s);
              }),
              18U);
  });
}

TEST_F(IoTest, ManyDescriptorsAtOnce) {
  run([&] {
    std::vector<std::unique_ptr<DescriptorPair>> pipes;
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 300; ++i) {
      pipes.push_back(std::make_unique<DescriptorPair>(make_pipe()));
      tasks.push_back(create_task([fd = (*pipes.back())[0]] {
        await_readable(fd);
        EXPECT_EQ(take(fd), 'x');
      }));
    }
    sleep(0s);
    for (const auto& pipe : pipes) put((*pipe)[1]);
    for (auto& task : tasks) await(task);
  });
}

TEST_F(IoTest, AWaitWhoseDescriptorIsTakenAwayEndsCancelled) {
  const DescriptorPair pipe(make_pipe());
  run([&] {
    auto removed = create_task([&] { await_readable(pipe[0]); });
    sleep(0s);
    EXPECT_TRUE(loop().remove_reader(pipe[0]));
    EXPECT_EQ(ending_of([&] { await(removed); }), "CancelledError: ");

    auto replaced = create_task([&] { await_readable(pipe[0]); });
    sleep(0s);
    loop().add_reader(pipe[0], [] {});
    EXPECT_EQ(ending_of([&] { await(replaced); }), "CancelledError: ");
    loop().remove_reader(pipe[0]);
  });
}

}  // namespace
}  // namespace coir::test
