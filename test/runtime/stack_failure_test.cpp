// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <coir/fibers/stack_pool.hpp>

#include <sys/resource.h>

#include <memory>

namespace coir::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool address_space_can_be_limited = false;  // the shadow alone takes terabytes
#else
constexpr bool address_space_can_be_limited = true;
#endif

class StackFailureTest : public RuntimeTest {};

TEST_F(StackFailureTest, ATaskWithoutAStackFailsAndTheLoopGoesOn) {
  make_loop({.stack_bytes = std::size_t{1} << 44});  // more than there is to address
  auto captured = std::make_shared<int>();
  auto task = loop().create_task([this, captured] { trace("began"); });
  auto cancelled = loop().create_task([] {});
  cancelled.cancel();
  task.add_done_callback(note("done"));
  loop().call_later(1s, note("timer"));
  run_ready();
  EXPECT_THROW(task.result(), fibers::StackAllocationError);
  EXPECT_THROW(task.result(), std::bad_alloc);
  const std::string reason = describe(task.exception());
  EXPECT_NE(reason.find("no fiber stack: mmap of"), std::string::npos) << reason;
  EXPECT_TRUE(cancelled.cancelled()) << "needs no stack";
  EXPECT_EQ(captured.use_count(), 1) << "the body is destroyed";
  EXPECT_EQ(events, (Trace{"done", "timer"}));
}

TEST_F(StackFailureTest, TasksThatHaveAStackGoOnAndLaterOnesReuseTheirs) {
  if (!address_space_can_be_limited) GTEST_SKIP() << "a sanitizer needs the address space";
  const ChildResult child = in_child([] {
    VirtualClock own_clock;
    return [&]() -> int {
      EventLoop loop(LoopOptions{.clock = &own_clock});
      auto main = loop.create_task([&]() -> int {
        auto gate = loop.create_future<void>();
        const auto wait = [&] { await(gate); };
        std::vector<Task<void>> tasks;
        tasks.push_back(create_task(wait));
        sleep(0s);  // the first slab of stacks is there
        rlimit limit{};
        ::getrlimit(RLIMIT_AS, &limit);
        long pages = 0;
        if (FILE* statm = std::fopen("/proc/self/statm", "r")) {
          if (std::fscanf(statm, "%ld", &pages) != 1) return 1;
          std::fclose(statm);
        }
        limit.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (rlim_t{8} << 20);
        if (::setrlimit(RLIMIT_AS, &limit) != 0) return 2;
        for (int i = 0; i < 200; ++i) tasks.push_back(create_task(wait));
        sleep(0s);
        sleep(0s);
        std::size_t failed = 0;
        for (auto& task : tasks) failed += task.done();
        if (failed == 0 || failed >= 200) return 3;
        gate.set_result();
        std::size_t stackless = 0;
        for (auto& task : tasks) {
          try {
            await(task);
          } catch (const fibers::StackAllocationError&) {
            ++stackless;
          }
        }
        if (stackless != failed) return 4;
        await(create_task([] { sleep(1s); }));  // on a stack that came back
        return 0;
      });
      return loop.run_until_complete(main);
    }();
  });
  EXPECT_TRUE(child.exited_with(0)) << child.status << child.output;
}

}  // namespace
}  // namespace coir::test
