// SPDX-License-Identifier: MIT
// libuv on a coir loop.
#include <coir/guests/libuv.hpp>

#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>
#include <coir/await.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace coir::test {
namespace {

using namespace std::chrono_literals;

class LibuvGuest : public ::testing::Test {
 protected:
  LibuvGuest() { uv_loop_init(&uv); }
  ~LibuvGuest() override { EXPECT_EQ(uv_loop_close(&uv), 0); }

  /// Runs fn() as a task of a loop that has libuv as its guest; at the end every handle is closed.
  template <class Fn>
  void run_guest(Fn&& fn) {
    coir::run([&] {
      const guests::Libuv guest(get_running_loop(), &uv);
      fn();
      uv_walk(&uv, [](uv_handle_t* handle, void*) {
        if (!uv_is_closing(handle)) uv_close(handle, nullptr);
      }, nullptr);
      while (uv_loop_alive(&uv)) sleep(1ms);
    });
  }
  uv_loop_t uv;
};

TEST_F(LibuvGuest, TimersFireWhileTasksSleepAndWait) {
  run_guest([&] {
    sleep(30ms);  // which libuv's own idea of the time has to notice
    auto fired = get_running_loop().create_future<void>();
    uv_timer_t timer;
    timer.data = &fired;
    uv_timer_init(&uv, &timer);
    const TimePoint begun = get_running_loop().time();
    uv_timer_start(&timer, [](uv_timer_t* due) { static_cast<Future<void>*>(due->data)->set_result(); }, 10, 0);
    await(fired);
    EXPECT_GE(get_running_loop().time() - begun, 8ms);  // libuv counts from the millisecond that has begun
    EXPECT_LT(get_running_loop().time() - begun, 100ms);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    sleep(1ms);
  });
}

TEST_F(LibuvGuest, AHandleThatACoirCallbackStartsIsSeen) {  // libuv tells its descriptor only when it runs
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  run_guest([&] {
    auto readable = get_running_loop().create_future<void>();
    sleep(5ms);
    uv_poll_t poll;
    poll.data = &readable;
    uv_poll_init(&uv, &poll, pipe[0]);
    uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* ready, int, int) {
      uv_poll_stop(ready);
      static_cast<Future<void>*>(ready->data)->set_result();
    });
    get_running_loop().call_later(5ms, [&] { EXPECT_EQ(::write(pipe[1], "x", 1), 1); });
    await(readable);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll), nullptr);
    sleep(1ms);
  });
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(LibuvGuest, ItsThreadPoolAndAsyncHandlesWakeTheLoop) {
  run_guest([&] {
    auto done = get_running_loop().create_future<void>();
    uv_work_t work;
    work.data = &done;
    uv_queue_work(&uv, &work, [](uv_work_t*) { ::usleep(1000); },
                  [](uv_work_t* finished, int) { static_cast<Future<void>*>(finished->data)->set_result(); });
    await(done);
  });
}

TEST_F(LibuvGuest, BothSidesMakeProgressWhileBothAreBusy) {
  run_guest([&] {
    int idles = 0;
    uv_idle_t idle;
    idle.data = &idles;
    uv_idle_init(&uv, &idle);
    uv_idle_start(&idle, [](uv_idle_t* handle) { ++*static_cast<int*>(handle->data); });
    const TimePoint begun = get_running_loop().time();
    int yields = 0;
    for (; idles < 100 && get_running_loop().time() - begun < 2s; ++yields) sleep(0s);
    EXPECT_GE(idles, 100);
    EXPECT_GE(yields, 100);
    uv_close(reinterpret_cast<uv_handle_t*>(&idle), nullptr);
    sleep(1ms);
  });
}

TEST_F(LibuvGuest, IdleCostsNoCpu) {
  run_guest([&] {
    uv_async_t async;  // something that may happen
    uv_async_init(&uv, &async, [](uv_async_t*) {});
    sleep(5ms);
    const std::uint64_t turns = get_running_loop().turns();
    sleep(300ms);
    EXPECT_LE(get_running_loop().turns() - turns, 5U);
    uv_close(reinterpret_cast<uv_handle_t*>(&async), nullptr);
    sleep(1ms);
  });
}

}  // namespace
}  // namespace coir::test
