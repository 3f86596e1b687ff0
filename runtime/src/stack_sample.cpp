// SPDX-License-Identifier: MIT
#include "stack_sample.hpp"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "backtrace.hpp"
#include "loop_core.hpp"
#include "no_await.hpp"

namespace coir::detail {
namespace {

/// The one question of the process.
///
///     idle --asker--> asked --handler--> answering --handler--> answered --asker--> idle
///                     asked --asker, out of patience--> idle
///
/// Q1  The asker's fields change only while idle, the handler's only while answering. A handler that comes too late finds
///     no question, or that of another thread, and leaves it.
struct Question {
  enum State : int { idle, asked, answering, answered };
  std::atomic<int> state{idle};
  const LoopCore* loop = nullptr;
  pid_t thread = 0;
  StackSample sample;
  sem_t ready;  // posted once answered
};
Question question;
std::atomic_flag asking;  // held by whoever asks

struct sigaction previous[NSIG];  // of the signals that are installed
static_assert(std::atomic<int>::is_always_lock_free);

void note(StackSample& to, const char* name, SourceLocation where) noexcept {
  if (name != nullptr) std::strncpy(to.name.data(), name, to.name.size() - 1);
  to.where = where;
}

/// In the signal handler, on the thread of `core`.
void describe_running(LoopCore& core, StackSample& to) noexcept {
  auto of = fibers::Of::callback;
  if (const TaskState* task = running_task()) {
    to.in = StackSample::In::task;
    to.task_id = task->id();
    note(to, task->name_for_signal_handler(), task->created_at());
    of = fibers::Of::fiber;
  } else if (const HandleNode* callback = core.running_callback) {
    to.in = StackSample::In::callback;
    note(to, callback->name, callback->scheduled_at);
  } else {
    to.in = core.attached() && core.guest->pumps == 0 ? StackSample::In::host : StackSample::In::loop;
  }
  to.call_count = fibers::backtrace_interrupted(core.fibers, of, to.calls.data(), to.calls.size());
}

void answer() noexcept {
  int expected = Question::asked;
  if (!question.state.compare_exchange_strong(expected, Question::answering)) return;
  if (question.thread != ::gettid()) return question.state.store(Question::asked);
  LoopCore* const core = running_loop;
  if (core != nullptr && core == question.loop) describe_running(*core, question.sample);
  question.state.store(Question::answered);
  ::sem_post(&question.ready);
}

void on_signal(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  if (info->si_code == SI_QUEUE && info->si_value.sival_ptr == &question) {
    answer();
  } else if (const struct sigaction& before = previous[signal]; (before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  }
  errno = saved;
}

bool install(int signal) noexcept {
  struct sigaction ours {};
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigfillset(&ours.sa_mask);
  // The kernel fills `previous` before ours can run.
  return ::sigaction(signal, nullptr, &previous[signal]) == 0 && ::sigaction(signal, &ours, nullptr) == 0;
}

bool is_free(int signal) noexcept {
  struct sigaction present {};
  return ::sigaction(signal, nullptr, &present) == 0 && (present.sa_flags & SA_SIGINFO) == 0 &&
         present.sa_handler == SIG_DFL;
}

int install_free_one() {
  for (int signal = SIGRTMAX; signal >= SIGRTMIN; --signal) {
    if (is_free(signal) && install(signal)) return signal;
  }
  throw std::system_error(EBUSY, std::generic_category(), "a Watchdog needs a real-time signal, and all are handled");
}

/// Sends the signal to the thread with the mark that makes it ours. False: the thread is gone.
bool send(pid_t thread, int signal) noexcept {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_ptr = &question;
  return ::syscall(SYS_rt_tgsigqueueinfo, info.si_pid, thread, signal, &info) == 0;
}

/// Whether an answer came in time.
bool wait_for_answer(std::chrono::milliseconds patience) noexcept {
  timespec until{};
  ::clock_gettime(CLOCK_REALTIME, &until);
  const long nanoseconds = until.tv_nsec + static_cast<long>(patience.count() % 1000) * 1'000'000;
  until.tv_sec += patience.count() / 1000 + nanoseconds / 1'000'000'000;
  until.tv_nsec = nanoseconds % 1'000'000'000;
  while (::sem_timedwait(&question.ready, &until) != 0) {
    if (errno == EINTR) continue;
    int expected = Question::asked;
    if (question.state.compare_exchange_strong(expected, Question::idle)) return false;
    // The handler is at it: microseconds.
    while (::sem_wait(&question.ready) != 0) {
    }
    return true;
  }
  return true;
}

void in_child_of_fork() {
  question.state.store(Question::idle);
  ::sem_init(&question.ready, 0, 0);
  asking.clear();
}

}  // namespace

int install_sampler(int signal) {
  static std::mutex mutex;
  static int free_one = 0;
  static bool installed[NSIG];
  const std::scoped_lock lock(mutex);
  static const bool prepared = [] {
    ::sem_init(&question.ready, 0, 0);
    fibers::prepare_backtrace();
    return ::pthread_atfork(nullptr, nullptr, in_child_of_fork) == 0;
  }();
  static_cast<void>(prepared);
  if (signal == 0) {
    if (free_one == 0) installed[free_one = install_free_one()] = true;
    return free_one;
  }
  if (signal < 0 || signal >= NSIG || signal == SIGKILL || signal == SIGSTOP || signal == SIGSEGV ||
      signal == SIGBUS || signal == SIGFPE || signal == SIGILL) {
    throw std::invalid_argument("WatchdogOptions::signal: " + std::to_string(signal) +
                                " cannot interrupt a thread. Leave it 0, or name a signal that is free: SIGRTMIN + 5.");
  }
  if (!installed[signal] && !install(signal)) {
    throw std::system_error(errno, std::generic_category(), "WatchdogOptions::signal " + std::to_string(signal));
  }
  installed[signal] = true;
  return signal;
}

std::optional<StackSample> sample(const LoopCore* loop, pid_t thread, int signal, std::chrono::milliseconds patience) {
  while (asking.test_and_set(std::memory_order_acquire)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  question.loop = loop;
  question.thread = thread;
  question.sample = {};
  question.state.store(Question::asked);
  const bool answered = send(thread, signal) ? wait_for_answer(patience) : false;
  std::optional<StackSample> found;
  if (answered) found = question.sample;
  question.state.store(Question::idle);
  asking.clear(std::memory_order_release);
  return found;
}

}  // namespace coir::detail
