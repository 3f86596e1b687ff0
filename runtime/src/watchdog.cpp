// SPDX-License-Identifier: MIT
#include <coir/watchdog.hpp>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <spdlog/logger.h>

#include <coir/errors.hpp>

#include "deadlock.hpp"
#include "log.hpp"
#include "loop_core.hpp"
#include "stack_sample.hpp"
#include "task_stack.hpp"

namespace coir {
namespace {

using Steady = std::chrono::steady_clock;
using detail::StackSample;

// How long a thread may take to run a signal handler. It is not in a hurry: it is blocked.
constexpr auto patience = std::chrono::milliseconds(500);

/// The question that the loop answers by running it. Posted again and again, like a signal's node.
///
/// P1  Posted only once answered: it is in one container at a time (HandleNode N1).
class Ping final : public detail::HandleNode {
 public:
  Ping() : HandleNode(Role::callback, SourceLocation::current()) {
    name = "watchdog";
    shared = true;
    persistent = true;  // dropped by a loop that closes, and by nobody else
  }
  void invoke() override {
    answered_at_ = Steady::now();
    answered_.store(true, std::memory_order_release);
  }
  void drop() noexcept override { closed_.store(true, std::memory_order_release); }
  void destroy() noexcept override { delete this; }

  bool answered() const noexcept { return answered_.load(std::memory_order_acquire); }
  bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  Steady::time_point answered_at() const noexcept { return answered_at_; }  // valid once answered
  /// False: the loop is closed.
  bool post(detail::Inbox& inbox) noexcept {
    answered_.store(false, std::memory_order_relaxed);
    retain();
    if (inbox.push(*this)) return true;
    release();
    return false;
  }

 private:
  std::atomic<bool> answered_{true};
  std::atomic<bool> closed_{false};
  Steady::time_point answered_at_{};
};

std::string subject_of(const StackSample& sample) {
  const std::string name = sample.name.data();
  if (sample.in == StackSample::In::task) {
    return "Task '" + (name.empty() ? "Task-" + std::to_string(sample.task_id) : name) + "' created at " +
           to_string(sample.where);
  }
  if (sample.in != StackSample::In::callback) return {};
  return "callback " + (name.empty() ? name : "'" + name + "' ") + "scheduled at " + to_string(sample.where);
}

BlockReport report_of(const StackSample& sample) {
  BlockReport report;
  switch (sample.in) {
    case StackSample::In::task: report.in = BlockReport::In::task; break;
    case StackSample::In::callback: report.in = BlockReport::In::callback; break;
    case StackSample::In::host: report.in = BlockReport::In::host; break;
    default: report.in = BlockReport::In::loop;
  }
  report.subject = subject_of(sample);
  report.stack = sample.in == StackSample::In::task ? detail::name_task_frames(sample.calls.data(), sample.call_count)
                                                    : detail::name_callback_frames(sample.calls.data(), sample.call_count);
  std::reverse(report.stack.begin(), report.stack.end());
  return report;
}

}  // namespace

/// The thread and what it knows. Of the loop it has the inbox, which outlives it, and the core's address to compare.
///
/// W1  The core is looked into only on the loop's thread: by the ping, and by the signal handler.
class Watchdog::Watch {
 public:
  Watch(EventLoop& loop, WatchdogOptions options)
      : options_(std::move(options)), core_(&loop.core()), inbox_(loop.core().inbox) {
    // Signals of the process are for others, whose blocking calls expect them.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([this] { run(); });
    } catch (...) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  bool in_child_of_fork() const noexcept { return pid_ != ::getpid(); }
  void end() {
    COIR_CHECK(thread_.get_id() != std::this_thread::get_id(), "a Watchdog destroyed by its own on_block");
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

 private:
  void run() {
    const detail::Bystander bystander;
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto began = Steady::now();
      if (wake_.wait_for(lock, options_.limit, [this] { return ending_; })) return;
      lock.unlock();
      if (!look(began)) return;
      lock.lock();
    }
  }
  /// After a wait of one limit since `began`. False: the loop is closed.
  bool look(Steady::time_point began) {
    const auto now = Steady::now();
    // The whole process stood still, in a debugger or under SIGSTOP: that is nobody's fault.
    if (now - began > 2 * options_.limit) asked_at_ += now - began - options_.limit;
    if (ping_->closed()) return false;
    if (!ping_->answered()) {
      if (inbox_->server() == 0) {
        asked_at_ = now;  // it has stopped: the time until it runs again does not count
      } else if (now - asked_at_ >= next_report_) {
        say_what_blocks(now - asked_at_);
      }
      return true;
    }
    if (std::exchange(reported_, false)) {
      tell({.in = BlockReport::In::nothing, .lasted = ping_->answered_at() - asked_at_, .subject = {}, .stack = {}});
    }
    if (inbox_->server() == 0 || (inbox_->sleeping() && !inbox_->served_as_guest())) return true;
    asked_at_ = now;
    next_report_ = options_.limit;
    return ping_->post(*inbox_);
  }
  void say_what_blocks(Duration lasted) {
    const pid_t thread = inbox_->server();
    const auto sample = detail::sample(core_, thread, signal_, patience);
    // It may have gone on meanwhile, or ended its run.
    if (ping_->answered() || (sample && sample->in == StackSample::In::elsewhere)) return;
    BlockReport report = sample ? report_of(*sample) : BlockReport{};
    report.lasted = lasted;
    reported_ = true;
    while (next_report_ <= lasted) next_report_ *= 2;
    tell(report);
  }
  void tell(const BlockReport& report) noexcept {
    try {
      if (options_.on_block) return options_.on_block(report);
      detail::logger()->warn("{}", to_string(report));
    } catch (...) {
      detail::logger()->error("an exception left WatchdogOptions::on_block: {}", describe(std::current_exception()));
    }
  }

  const WatchdogOptions options_;
  const int signal_ = detail::install_sampler(options_.signal);
  const detail::LoopCore* const core_;  // W1
  const std::shared_ptr<detail::Inbox> inbox_;
  const detail::Ref<Ping> ping_ = detail::Ref<Ping>::adopt(new Ping);
  const pid_t pid_ = ::getpid();
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;  // under the mutex
  // Of the thread.
  Steady::time_point asked_at_{};         // valid once asked
  Duration next_report_ = options_.limit;
  bool reported_ = false;                 // since asked_at_
  std::thread thread_;                    // last: it uses all of the above
};

Watchdog::Watchdog(EventLoop& loop, WatchdogOptions options) {
  if (options.limit <= Duration::zero()) {
    throw std::invalid_argument("WatchdogOptions::limit must be positive: it is what counts as too long");
  }
  if (loop.is_closed()) loop.core().throw_closed("Watchdog");
  watch_ = std::make_unique<Watch>(loop, std::move(options));
}

Watchdog::~Watchdog() {
  if (watch_->in_child_of_fork()) {
    static_cast<void>(watch_.release());  // its thread does not exist here, and may have held the mutex
  } else {
    watch_->end();
  }
}

std::string to_string(const BlockReport& report) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3f s", std::chrono::duration<double>(report.lasted).count());
  std::string text = std::string("the event loop has stood still for ") + seconds + ": ";
  switch (report.in) {
    case BlockReport::In::nothing:
      return std::string("the event loop goes on, after ") + seconds;
    case BlockReport::In::task:
    case BlockReport::In::callback:
      text += report.subject + " blocks its thread. Await what it waits for, or move it to to_thread().";
      break;
    case BlockReport::In::host:
      text += "it is a guest, and nobody calls pump(). Its host is busy with something else, or does not watch "
              "backend_fd().";
      break;
    case BlockReport::In::loop:
      text += "a hook, an exception handler or a destructor blocks its thread.";
      break;
    case BlockReport::In::unknown:
      text += "its thread does not answer; it blocks the watchdog's signal, or is stuck in the kernel.";
  }
  if (!report.stack.empty()) text += " Most recent call last:";
  for (const StackFrame& frame : report.stack) text += "\n  " + to_string(frame);
  return text;
}

}  // namespace coir
