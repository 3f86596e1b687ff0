// SPDX-License-Identifier: MIT
// GLib on a coir loop.
#include <coir/guests/glib.hpp>

#include <coir/await.hpp>
#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <glib-unix.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace coir::test {
namespace {

using namespace std::chrono_literals;

class GlibGuest : public ::testing::Test {
 protected:
  ~GlibGuest() override { g_main_context_unref(context); }

  template <class Fn>
  void run_guest(Fn&& fn) {
    coir::run([&] {
      const guests::Glib guest(get_running_loop(), context);
      fn();
    });
  }
  /// A source that calls fn() until that returns false.
  void add(GSource* source, std::function<bool()> fn) {
    g_source_set_callback(
        source, [](gpointer data) -> gboolean { return (*static_cast<std::function<bool()>*>(data))(); },
        new std::function<bool()>(std::move(fn)),
        [](gpointer data) { delete static_cast<std::function<bool()>*>(data); });
    g_source_attach(source, context);
    g_source_unref(source);
  }
  GMainContext* const context = g_main_context_new();
};

TEST_F(GlibGuest, TimeoutsFireWhileTasksSleepAndWait) {
  run_guest([&] {
    auto third = get_running_loop().create_future<void>();
    const TimePoint begun = get_running_loop().time();
    int ticks = 0;
    add(g_timeout_source_new(5), [&] {
      if (++ticks == 3) third.set_result();
      return ticks < 3;
    });
    await(third);
    EXPECT_GE(get_running_loop().time() - begun, 14ms);
    EXPECT_LT(get_running_loop().time() - begun, 200ms);
  });
}

TEST_F(GlibGuest, DescriptorsAreSeenAndMayBeWaitedForByATaskToo) {
  int pipe[2];
  ASSERT_TRUE(g_unix_open_pipe(pipe, FD_CLOEXEC, nullptr));
  run_guest([&] {
    for (int i = 0; i < 3; ++i) {
      auto readable = get_running_loop().create_future<void>();
      GSource* const source = g_unix_fd_source_new(pipe[0], G_IO_IN);
      const GUnixFDSourceFunc function = [](gint fd, GIOCondition, gpointer data) -> gboolean {
        char byte;
        EXPECT_EQ(::read(fd, &byte, 1), 1);
        static_cast<Future<void>*>(data)->set_result();
        return G_SOURCE_REMOVE;
      };
      g_source_set_callback(source, reinterpret_cast<GSourceFunc>(reinterpret_cast<void*>(function)), &readable,
                            nullptr);
      g_source_attach(source, context);
      g_source_unref(source);
      get_running_loop().call_later(3ms, [&] { EXPECT_EQ(::write(pipe[1], "x", 1), 1); });
      await(readable);
    }
  });
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(GlibGuest, AnotherThreadWakesIt) {
  run_guest([&] {
    auto called = get_running_loop().create_future<void>();
    std::thread other([&] {
      std::this_thread::sleep_for(5ms);
      g_main_context_invoke(context, [](gpointer data) -> gboolean {
        static_cast<Future<void>*>(data)->set_result();
        return G_SOURCE_REMOVE;
      }, &called);
    });
    await(called);
    other.join();
  });
}

TEST_F(GlibGuest, BothSidesMakeProgressWhileBothAreBusy) {
  run_guest([&] {
    int idles = 0;
    add(g_idle_source_new(), [&] { return ++idles < 100; });
    const TimePoint begun = get_running_loop().time();
    int yields = 0;
    for (; idles < 100 && get_running_loop().time() - begun < 2s; ++yields) sleep(0s);
    EXPECT_GE(idles, 100);
    EXPECT_GE(yields, 100);
  });
}

TEST_F(GlibGuest, IdleCostsNoCpu) {
  run_guest([&] {
    sleep(5ms);
    const std::uint64_t turns = get_running_loop().turns();
    sleep(300ms);
    EXPECT_LE(get_running_loop().turns() - turns, 5U);
  });
}

}  // namespace
}  // namespace coir::test
