// SPDX-License-Identifier: MIT
// Turns a touch of a guard into a sentence. Runs on an alternate stack, in a signal handler, in a dying process.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include <coir/fibers/fiber.hpp>

namespace coir::fibers {
namespace {

std::atomic<OverflowReporter> reporter{nullptr};
struct sigaction previous_handler;  // written before ours is installed

/// Whether the processor raised it. Otherwise somebody sent it, and si_addr is the sender.
bool is_fault(const siginfo_t& info) noexcept { return info.si_code > 0; }

void hand_on(int signal, siginfo_t* info, void* context) {
  if ((previous_handler.sa_flags & SA_SIGINFO) != 0) {
    previous_handler.sa_sigaction(signal, info, context);
  } else if (previous_handler.sa_handler == SIG_DFL || previous_handler.sa_handler == SIG_IGN) {
    // The fault repeats as soon as this handler returns and then ends the process with the right signal and core.
    // Ignoring a synchronous SIGSEGV would fault for ever, so SIG_IGN is treated alike.
    struct sigaction ending {};
    ending.sa_handler = SIG_DFL;
    ::sigaction(signal, &ending, nullptr);
    if (!is_fault(*info)) ::raise(signal);  // nothing repeats; pending until this handler returns
  } else {
    previous_handler.sa_handler(signal);
  }
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const Stack stack = is_fault(*info) ? find_guard(info->si_addr) : Stack{};
  if (stack.base != nullptr) {
    if (OverflowReporter report = reporter.load(std::memory_order_acquire)) {
      report({info->si_addr, stack, argument_of(*fiber_on(stack))});
    }
  }
  hand_on(signal, info, context);
}

/// Alternate stack of one thread, for as long as the thread lives.
class AlternateStack {
 public:
  AlternateStack() {
    stack_t present{};
    if (::sigaltstack(nullptr, &present) == 0 && (present.ss_flags & SS_DISABLE) == 0) return;  // somebody else's: keep
    bytes_ = std::max<std::size_t>(static_cast<std::size_t>(std::max(::sysconf(_SC_SIGSTKSZ), 0L)), 64U << 10);
    memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return;
    stack_t ours{};
    ours.ss_sp = memory_;
    ours.ss_size = bytes_;
    ::sigaltstack(&ours, nullptr);
  }
  ~AlternateStack() {
    if (memory_ == MAP_FAILED) return;
    stack_t present{};
    ::sigaltstack(nullptr, &present);
    if (present.ss_sp == memory_) {
      stack_t off{};
      off.ss_flags = SS_DISABLE;
      ::sigaltstack(&off, nullptr);
      ::munmap(memory_, bytes_);
    }
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;

 private:
  void* memory_ = MAP_FAILED;
  std::size_t bytes_ = 0;
};

}  // namespace

void report_overflows(OverflowReporter use) {
  reporter.store(use, std::memory_order_release);
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction ours {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    // The kernel fills previous_handler before ours can run.
    ::sigaction(SIGSEGV, nullptr, &previous_handler);
    ::sigaction(SIGSEGV, &ours, nullptr);
  });
  static thread_local AlternateStack alternate_stack;
}

}  // namespace coir::fibers
