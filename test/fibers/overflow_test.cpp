// SPDX-License-Identifier: MIT
// A stack overflow ends the process with a sentence; every other fault is none of coir's business.
#include <coir/run.hpp>
#include <coir/sleep.hpp>
#include <coir/task.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <climits>
#include <cstring>
#include <string>
#include <thread>

#include "fiber_support.hpp"

namespace coir {
namespace {

using coir::test::under_asan;
using coir::test::under_tsan;

constexpr const char* claim = "coir: stack overflow";

volatile int deepest = INT_MAX;  // volatile: no compiler may conclude that the recursion never ends

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[256];
  frame[0] = static_cast<char>(depth);
  if (depth == deepest) return 0;
  return recurse(depth + 1) + frame[0];
}

/// By the signal; a sanitizer's own handler, to which coir's hands on, exits with an error instead.
bool died_of_sigsegv(int status) {
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGSEGV;
  return (under_asan || under_tsan) && WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

/// Matches a text without `unwanted`.
class Without {
 public:
  using is_gtest_matcher = void;
  explicit Without(const char* unwanted) : unwanted_(unwanted) {}
  bool MatchAndExplain(const std::string& text, std::ostream*) const {
    return text.find(unwanted_) == std::string::npos;
  }
  void DescribeTo(std::ostream* out) const { *out << "lacks \"" << unwanted_ << "\""; }
  void DescribeNegationTo(std::ostream* out) const { *out << "has \"" << unwanted_ << "\""; }

 private:
  const char* unwanted_;
};
::testing::Matcher<const std::string&> claims_nothing() { return Without(claim); }

class OverflowDeathTest : public ::testing::Test {
 protected:
  // A process of its own for each: signal handlers are global, and report_overflows() installs its own once.
  OverflowDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

RunOptions with_stack(std::size_t bytes) {
  RunOptions options;
  options.loop.stack_bytes = bytes;
  return options;
}

void overflow_in_a_task() {
  run(
      [] {
        auto other = create_task([] { sleep(std::chrono::hours(1)); }, TaskOptions{.name = "bystander"});
        await(create_task([] { recurse(0); }, TaskOptions{.name = "digger"}));
      },
      with_stack(512 * 1024));
}

TEST_F(OverflowDeathTest, NamesTheTaskWhereItWasCreatedAndItsStackSize) {
  EXPECT_EXIT(overflow_in_a_task(), died_of_sigsegv,
              "coir: stack overflow in task 'digger' created at .*overflow_test.cpp:[0-9]+: its stack of 512 KiB "
              "\\(guard of 64 KiB included\\) is used up. Raise LoopOptions::stack_bytes");
}

void overflow_on_a_recycled_stack() {
  run([] {
    for (int i = 0; i < 3; ++i) await(create_task([] { sleep(std::chrono::seconds(0)); }));
    await(create_task([] {}, TaskOptions{.name = "before"}));
    auto first = create_task([] {}, TaskOptions{.name = "same fiber, earlier"});
    auto second = create_task([] { recurse(0); }, TaskOptions{.name = "same fiber, later"});
    await(second);
  });
}

TEST_F(OverflowDeathTest, NamesTheTaskThatRunsNotOneThatHadTheStackBefore) {
  EXPECT_EXIT(overflow_on_a_recycled_stack(), died_of_sigsegv, "stack overflow in task 'same fiber, later'");
}

void overflow_after_suspension() {
  run([] {
    auto digger = create_task(
        [] {
          sleep(std::chrono::seconds(0));
          recurse(0);
        },
        TaskOptions{.name = "digger"});
    auto other = create_task([] { sleep(std::chrono::seconds(0)); }, TaskOptions{.name = "other"});
    await(digger);
  });
}

TEST_F(OverflowDeathTest, NamesTheTaskAfterItWasSwitchedAwayAndBack) {
  EXPECT_EXIT(overflow_after_suspension(), died_of_sigsegv, "stack overflow in task 'digger'");
}

TEST_F(OverflowDeathTest, AnUnnamedTaskGoesByItsNumber) {
  EXPECT_EXIT(run([] { await(create_task([] { recurse(0); })); }), died_of_sigsegv,
              "stack overflow in task 'Task-[0-9]+' created at ");
}

void overflow_on_another_thread() {
  std::thread([] { overflow_in_a_task(); }).join();
}

TEST_F(OverflowDeathTest, EveryThreadThatRunsALoopReports) {
  EXPECT_EXIT(overflow_on_another_thread(), died_of_sigsegv, "stack overflow in task 'digger'");
}

void overflow_with_guards_by_mprotect() {
  RunOptions options;
  options.loop.stack_guard = fibers::Guard::mprotect;
  run([] { await(create_task([] { recurse(0); }, TaskOptions{.name = "digger"})); }, options);
}

TEST_F(OverflowDeathTest, MprotectGuardsAreRecognizedAlike) {
  EXPECT_EXIT(overflow_with_guards_by_mprotect(), died_of_sigsegv, "stack overflow in task 'digger'");
}

void say(const char* text) { static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text))); }

void install(int flags, void (*handler)(int), void (*info_handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  if (info_handler != nullptr) {
    action.sa_sigaction = info_handler;
  } else {
    action.sa_handler = handler;
  }
  action.sa_flags = flags | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGSEGV, &action, nullptr);
}

void earlier_handler(int signal) {
  say(signal == SIGSEGV ? "earlier handler" : "wrong signal");
  ::_exit(42);
}
void earlier_info_handler(int signal, siginfo_t* info, void* context) {
  const bool complete = signal == SIGSEGV && info != nullptr && info->si_signo == SIGSEGV && context != nullptr;
  say(complete ? "earlier handler" : "incomplete call");
  ::_exit(43);
}

TEST_F(OverflowDeathTest, AHandlerInstalledBeforeIsCalledAfterTheReport) {
  EXPECT_EXIT((install(0, earlier_handler, nullptr), overflow_in_a_task()), ::testing::ExitedWithCode(42),
              "stack overflow in task 'digger'(.|\n)*earlier handler");
  EXPECT_EXIT((install(SA_SIGINFO, nullptr, earlier_info_handler), overflow_in_a_task()),
              ::testing::ExitedWithCode(43), "stack overflow in task 'digger'(.|\n)*earlier handler");
}

// UBSan, which would report the null before the fault happens, must not look.
[[gnu::noinline]] __attribute__((no_sanitize("undefined"))) void write_to(volatile int* address) { *address = 1; }

void follow_null() {
  run([] { await(create_task([] { write_to(nullptr); })); });
}

TEST_F(OverflowDeathTest, ANullPointerInATaskIsNotClaimed) {
  EXPECT_EXIT(follow_null(), died_of_sigsegv, claims_nothing());
}

void touch_what_is_protected() {
  run([] {
    const volatile char* page = static_cast<const volatile char*>(
        ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    static_cast<void>(*page);
  });
}

TEST_F(OverflowDeathTest, AHandlerInstalledBeforeGetsEveryOtherFault) {
  EXPECT_EXIT((install(SA_SIGINFO, nullptr, earlier_info_handler), touch_what_is_protected()),
              ::testing::ExitedWithCode(43), claims_nothing());
}

TEST_F(OverflowDeathTest, AFaultOutsideOfTheGuardsIsNotClaimed) {
  EXPECT_EXIT(touch_what_is_protected(), died_of_sigsegv, claims_nothing());
}

void send_sigsegv() {
  run([] {
    ::raise(SIGSEGV);
    say("survived");
    std::_Exit(0);
  });
}

// A signal that somebody sent does not repeat when the handler returns, as a fault does.
TEST_F(OverflowDeathTest, ASentSigsegvKillsAsIfThereWereNoHandler) {
  EXPECT_EXIT(send_sigsegv(), died_of_sigsegv, claims_nothing());
}

void ignore_and_overflow() {
  ::signal(SIGSEGV, SIG_IGN);
  overflow_in_a_task();
}

TEST_F(OverflowDeathTest, AnIgnoredSigsegvStillKills) {
  EXPECT_EXIT(ignore_and_overflow(), died_of_sigsegv, "stack overflow in task 'digger'");
}

}  // namespace
}  // namespace coir
