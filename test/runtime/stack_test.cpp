// SPDX-License-Identifier: MIT
// Task::get_stack() and print_stack(): what a task is in.
#include "call_stack_test.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

// Not inlined, cloned or left by a tail call, so that each has a frame and its name in every build.
namespace shop {

[[gnu::noinline]] static void internal(const coir::Future<void>& future) {
  wait_here(future);
  ++steps;
}
template <class T>
[[gnu::noinline]] T templated(const coir::Future<void>& future, T value) {
  internal(future);
  ++steps;
  return value;
}
struct Cart {
  [[gnu::noinline, gnu::used]] int load(const coir::Future<void>& future, int) const {
    const int value = templated<int>(future, 1);
    ++steps;
    return value;
  }
};
[[gnu::noinline]] int five_deep(const coir::Future<void>& future) {
  const int value = Cart().load(future, 2);
  ++steps;
  return value;
}
[[gnu::always_inline]] inline void inlined(const coir::Future<void>& future) {
  wait_here(future);
  ++steps;
}
[[gnu::noinline]] void calls_inlined(const coir::Future<void>& future) {
  inlined(future);
  ++steps;
}
[[gnu::noinline]] void descend(const bool& stop) {
  volatile char room[8 << 10];
  room[0] = 0;
  coir::sleep(std::chrono::seconds(0));
  if (!stop) descend(stop);
  room[sizeof room - 1] = room[0];
}

}  // namespace shop

namespace shop_test {
namespace {

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class StackTest : public CallStackTest {
 protected:
  /// A lambda of a task that was made in run().
  static bool is_body(const std::string& name) { return name.ends_with("TestBody::<lambda>::<lambda>"); }
};

TEST_F(StackTest, HasTheFramesOfNestedPlainFunctionsInOrder) {
  if (!has_libdw) GTEST_SKIP() << "built without libdw";
  run([&] {
    const auto future = gate();
    auto task = create_task([&] { return shop::five_deep(future); });
    coir::sleep(0s);
    Trace stack = names(task.get_stack());
    ASSERT_EQ(stack.size(), 6U) << ::testing::PrintToString(stack);
    EXPECT_TRUE(is_body(stack[0])) << stack[0];
    stack.erase(stack.begin());
    EXPECT_EQ(stack, (Trace{"shop::five_deep", "shop::Cart::load", "shop::templated<int>", "shop::internal",
                            "shop::wait_here"}));
    future.set_result();
    EXPECT_EQ(await(task), 1);
    EXPECT_EQ(task.get_stack().size(), 0U) << "a task that is done";
  });
}

TEST_F(StackTest, TellsFilesAndLines) {
  if (!has_libdw) GTEST_SKIP() << "built without libdw";
  run([&] {
    const auto future = gate();
    const unsigned here = __LINE__ + 1;
    auto task = create_task([&] { shop::wait_here(future); });
    coir::sleep(0s);
    const auto stack = task.get_stack();
    ASSERT_EQ(stack.size(), 2U);
    EXPECT_EQ(base_name(stack[0].file), "stack_test.cpp");
    EXPECT_EQ(stack[0].line, here);
    EXPECT_EQ(base_name(stack[1].file), "call_stack_test.hpp");
    EXPECT_EQ(stack[1].line, shop::wait_line);
    future.set_result();
    await(task);
  });
}

TEST_F(StackTest, ShowsInlinedFunctions) {
  if (!has_libdw) GTEST_SKIP() << "built without libdw";
  run([&] {
    const auto future = gate();
    auto task = create_task([&] { shop::calls_inlined(future); });
    coir::sleep(0s);
    Trace stack = names(task.get_stack());
    ASSERT_EQ(stack.size(), 4U) << ::testing::PrintToString(stack);
    EXPECT_EQ(stack[1], "shop::calls_inlined");
    EXPECT_EQ(stack[2], "shop::inlined");
    EXPECT_EQ(stack[3], "shop::wait_here");
    future.set_result();
    await(task);
  });
}

TEST_F(StackTest, WithoutDebugInformationExportedFunctionsHaveNames) {
  ::setenv("COIR_LIBDW", "0", 1);
  run([&] {
    const auto future = gate();
    auto task = create_task([&] { return shop::five_deep(future); });
    coir::sleep(0s);
    const auto frames = task.get_stack();
    Trace stack = names(frames);
    EXPECT_LT(stack.size(), frames.size()) << "a static function";
    ASSERT_GT(stack.size(), 0U);
    EXPECT_TRUE(is_body(stack[0])) << stack[0];  // from the type of the callable
    stack.erase(stack.begin());
    EXPECT_EQ(stack, (Trace{"shop::five_deep", "shop::Cart::load", "shop::templated<int>", "shop::wait_here"}));
    future.set_result();
    await(task);
  });
  ::unsetenv("COIR_LIBDW");
}

// CPython: test_tasks.py, test_get_stack.
TEST_F(StackTest, TheRunningTaskSeesItsOwn) {
  if (!has_libdw) GTEST_SKIP() << "built without libdw";
  run([&] {
    const std::function<void()> look = [&] {
      const Trace stack = names(coir::current_task().get_stack());
      ASSERT_GE(stack.size(), 2U);
      EXPECT_TRUE(stack[0].ends_with("TestBody::<lambda>")) << stack[0];
      EXPECT_TRUE(is_body(stack.back())) << stack.back() << ": the caller of get_stack(), nothing behind it";
    };
    look();
  });
}

TEST_F(StackTest, BeforeItsFirstStepATaskIsWhereItWasCreated) {
  run([&] {
    const unsigned here = __LINE__ + 1;
    auto task = create_task([] {});
    const auto stack = task.get_stack();
    ASSERT_EQ(stack.size(), 1U);
    EXPECT_TRUE(is_body(stack[0].function)) << stack[0].function;
    EXPECT_EQ(stack[0].address, nullptr);
    EXPECT_EQ(base_name(stack[0].file), "stack_test.cpp");
    EXPECT_EQ(stack[0].line, here);
    await(task);
  });
}

TEST_F(StackTest, ALimitKeepsTheInnermostANegativeOneTheOutermost) {
  run([&] {
    const auto future = gate();
    auto task = create_task([&] { shop::five_deep(future); });
    coir::sleep(0s);
    const auto functions = [&](std::optional<int> limit) {
      Trace all;
      for (const StackFrame& frame : task.get_stack(limit)) all.push_back(frame.function);
      return all;
    };
    const Trace all = functions({});
    ASSERT_GE(all.size(), 6U);
    EXPECT_EQ(functions(2), Trace(all.end() - 2, all.end()));
    EXPECT_EQ(functions(-2), Trace(all.begin(), all.begin() + 2));
    EXPECT_EQ(functions(99), all);
    EXPECT_EQ(functions(0), Trace{});
    future.set_result();
    await(task);
  });
}

TEST_F(StackTest, ATaskGoesOnAsIfNothingHadBeenHoweverOftenItsStackIsWalked) {
  run([&] {
    const auto future = gate();
    shop::steps = 0;
    auto task = create_task([&] { return shop::five_deep(future); });
    coir::sleep(0s);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(task.get_stack(1).size(), 1U) << i;
    future.set_result();
    EXPECT_EQ(await(task), 1);
    EXPECT_EQ(shop::steps, 5);
  });
}

TEST_F(StackTest, ATaskIsWalkedBetweenEachTwoOfItsSteps) {
  run([&] {
    int done = 0;
    auto task = create_task([&] {
      for (; done < 1000; ++done) coir::sleep(0s);
    });
    while (!task.done()) {
      EXPECT_EQ(task.get_stack(1).size(), 1U);
      coir::sleep(0s);
    }
    EXPECT_EQ(done, 1000);
  });
}

TEST_F(StackTest, AThousandTasksAreWalkedAndEndRight) {
  run([&] {
    const auto future = gate();
    std::vector<coir::Task<int>> tasks;
    for (int i = 0; i < 1000; ++i) {
      tasks.push_back(create_task([&future, i] { return shop::templated<int>(future, i); }));
    }
    coir::sleep(0s);
    for (const auto& task : tasks) ASSERT_EQ(names(task.get_stack()).size(), has_libdw ? 4U : 3U);
    future.set_result();
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(await(tasks[static_cast<std::size_t>(i)]), i);
  });
}

TEST_F(StackTest, IsWalkedInACatchBlockAndErrnoAndTheExceptionsOfBothSidesStay) {
  run([&] {
    const auto future = gate();
    auto task = create_task([&] {
      try {
        throw std::runtime_error("of the task");
      } catch (...) {
        errno = ERANGE;
        shop::wait_here(future);
        EXPECT_EQ(errno, ERANGE);
        throw;
      }
    });
    coir::sleep(0s);
    EXPECT_EQ(ending_of([&] {
                try {
                  throw std::runtime_error("of the observer");
                } catch (...) {
                  errno = EDOM;
                  const std::size_t frames = names(task.get_stack()).size();
                  EXPECT_EQ(errno, EDOM);
                  EXPECT_EQ(frames, 2U);
                  throw;
                }
              }),
              "std::runtime_error: of the observer");
    future.set_result();
    EXPECT_EQ(ending_of([&] { await(task); }), "std::runtime_error: of the task");
  });
}

TEST_F(StackTest, IsWalkedWhileAnExceptionUnwindsIt) {
  run([&] {
    const auto future = gate();
    auto task = create_task([&] {
      const OnDestruction cleanup([&] { shop::wait_here(future); });
      throw std::runtime_error("still on its way");
    });
    coir::sleep(0s);
    const Trace stack = names(task.get_stack());
    ASSERT_GE(stack.size(), 2U) << ::testing::PrintToString(stack);
    EXPECT_EQ(stack.back(), "shop::wait_here");
    EXPECT_EQ(std::uncaught_exceptions(), 0) << "that of the other stack";
    future.set_result();
    EXPECT_EQ(ending_of([&] { await(task); }), "std::runtime_error: still on its way");
  });
}

TEST_F(StackTest, AnAlmostFullStackIsLeftAloneAndTheTaskGoesOn) {
  run([&] {
    bool stop = false;
    auto task = create_task([&] { shop::descend(stop); });
    coir::sleep(0s);
    auto stack = task.get_stack(1);
    while (stack.at(0).address != nullptr) {
      coir::sleep(0s);
      stack = task.get_stack(1);
    }
    EXPECT_EQ(stack[0].function, "(not walked: too little of the stack is free)");
    stop = true;
    await(task);
  });
}

TEST_F(StackTest, IsSeenFromACallbackAndWhileTheLoopStands) {
  const auto future = gate();
  auto task = loop().create_task([&] { shop::wait_here(future); });
  std::size_t in_callback = 0;
  loop().call_soon([&] { in_callback = names(task.get_stack()).size(); });
  run_ready();
  EXPECT_EQ(in_callback, 2U);
  EXPECT_EQ(names(task.get_stack()).size(), 2U);
  future.set_result();
  run_ready();
  EXPECT_TRUE(task.done());
}

TEST_F(StackTest, AThreadThatDoesNotRunTheLoopIsRefused) {
  run([&] {
    auto task = coir::current_task();
    std::thread([&] {
      expect_usage_error(Reason::wrong_thread, "get_stack()", [&] { task.get_stack(); });
      expect_usage_error(Reason::wrong_thread, "capture_call_graph()", [&] { coir::capture_call_graph(task); });
    }).join();
  });
}

TEST_F(StackTest, PrintsTheMostRecentCallLast) {
  run([&] {
    const auto future = gate();
    auto task = create_task([&] { shop::wait_here(future); }, coir::TaskOptions{.name = "waiter"});
    coir::sleep(0s);
    std::ostringstream out;
    task.print_stack(out);
    const std::string text = out.str();
    EXPECT_EQ(text.find("Stack for Task 'waiter' created at stack_test.cpp:"), 0U) << text;
    EXPECT_NE(text.find(" (most recent call last):\n"), std::string::npos) << text;
    EXPECT_NE(text.find("TestBody::<lambda>::<lambda>\n"), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with("in shop::wait_here\n")) << text;
    future.set_result();
    await(task);
    out.str({});
    task.print_stack(out);
    EXPECT_EQ(out.str().find("No stack for Task 'waiter' created at "), 0U) << out.str();
  });
}

}  // namespace
}  // namespace shop_test
