// SPDX-License-Identifier: MIT
#include <coir/run.hpp>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

#include <coir/testing.hpp>
#include <coir/threads.hpp>

#include "loop_core.hpp"

namespace coir {
namespace {

/// Turns SIGINT into a callback of one loop while a main task runs.
///
/// The handler counts and posts one preallocated node; a lock-free push and a write(2) are all it does.
class InterruptNode final : public detail::HandleNode {
 public:
  InterruptNode(AnyTask main, std::shared_ptr<detail::Inbox> inbox)
      : HandleNode(Role::callback, SourceLocation()), main_(std::move(main)), inbox_(std::move(inbox)) {
    shared = true;
    name = "SIGINT";
  }

  /// In a signal handler.
  void on_signal() noexcept {
    if (signals_.fetch_add(1) >= 2) {
      // The loop did not even get to the second: let the third one do what it does by default.
      ::signal(SIGINT, SIG_DFL);
      ::raise(SIGINT);
      return;
    }
    if (posted_.exchange(true)) return;
    retain();
    if (!inbox_->push(*this)) release();
  }
  int signals() const noexcept { return signals_.load(); }
  bool cancelled_main() const noexcept { return cancelled_main_; }

  void invoke() override {
    posted_.store(false);
    if (signals() == 1 && !main_.done()) {
      main_.cancel();
      cancelled_main_ = true;
      return;
    }
    throw KeyboardInterrupt(signals() == 1 ? "SIGINT" : "SIGINT, twice");
  }
  void drop() noexcept override {}
  void destroy() noexcept override { delete this; }
  /// Loop's thread, once no signal can arrive any more.
  void forget_main() { main_ = {}; }

 private:
  AnyTask main_;
  std::shared_ptr<detail::Inbox> inbox_;
  std::atomic<int> signals_{0};
  std::atomic<bool> posted_{false};
  bool cancelled_main_ = false;
};

std::atomic<InterruptNode*> interrupt_node{nullptr};

void on_interrupt(int) {
  if (InterruptNode* node = interrupt_node.load(std::memory_order_acquire)) node->on_signal();
}

class InterruptScope {
 public:
  InterruptScope(bool wanted, const AnyTask& main, const std::shared_ptr<detail::Inbox>& inbox) {
    struct sigaction present {};
    const bool first_thread = ::getpid() == static_cast<pid_t>(::syscall(SYS_gettid));
    if (!wanted || !first_thread || ::sigaction(SIGINT, nullptr, &present) != 0) return;
    if ((present.sa_flags & SA_SIGINFO) != 0 || present.sa_handler != SIG_DFL) return;
    node_ = detail::Ref<InterruptNode>::adopt(new InterruptNode(main, inbox));
    interrupt_node.store(node_.get(), std::memory_order_release);
    struct sigaction ours {};
    ours.sa_handler = on_interrupt;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(SIGINT, &ours, nullptr);
  }
  ~InterruptScope() {
    if (!node_) return;
    ::signal(SIGINT, SIG_DFL);
    interrupt_node.store(nullptr, std::memory_order_release);
    node_->forget_main();
  }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  bool interrupted() const noexcept { return node_ && node_->cancelled_main(); }

 private:
  detail::Ref<InterruptNode> node_;
};

}  // namespace

struct Runner::Impl {
  explicit Impl(RunOptions with) : options(std::move(with)), loop(options.loop) {}
  RunOptions options;
  EventLoop loop;
  std::optional<Context> context;

  void run_until(const AnyFuture& future);
  void cancel_all_tasks();
};

Runner::Runner(RunOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Runner::~Runner() {
  try {
    close();
  } catch (...) {
    // The loop is closed by its own destructor; what stopped the draining is all there is to say.
    impl_->loop.call_exception_handler({.message = "Runner could not drain its loop",
                                        .exception = std::current_exception()});
  }
}

const Context& Runner::context() {
  if (!impl_->context) impl_->context = copy_context();
  return *impl_->context;
}

EventLoop& Runner::get_loop() { return impl_->loop; }

void Runner::require_runnable() {
  if (detail::running_loop != nullptr) {
    throw UsageError(UsageError::Reason::loop_is_running,
                     "run() called inside the callback " +
                         (detail::running_loop->running_callback != nullptr
                              ? detail::describe(*detail::running_loop->running_callback)
                              : std::string("of an exception handler")) +
                         ": run() cannot be called from a running event loop. Start a task with create_task(); inside "
                         "a task run(fn) works and just calls fn.");
  }
  impl_->loop.core_for("run()");
}

void Runner::run_main(const AnyTask& main) {
  detail::LoopCore& core = impl_->loop.core();
  const InterruptScope interrupts(impl_->options.handle_sigint, main, core.inbox);
  const auto id = main.add_done_callback([this] { impl_->loop.stop(); }, "stop the loop");
  try {
    impl_->loop.run_forever();
  } catch (...) {
    main.remove_done_callback(id);
    if (main.done()) main.state().mark_retrieved();
    throw;
  }
  main.remove_done_callback(id);
  if (!main.done()) {
    throw UsageError(UsageError::Reason::stopped_early, "run(): Event loop stopped before Future completed.");
  }
  if (main.cancelled() && interrupts.interrupted() && main.uncancel() == 0) throw KeyboardInterrupt("SIGINT");
}

void Runner::Impl::run_until(const AnyFuture& future) {
  const auto id = future.add_done_callback([this] { loop.stop(); }, "stop the loop");
  if (loop.core().clock.is_virtual()) {
    run_until_stalled(loop);  // a task that waits for what can never happen must not hang a test
  } else {
    loop.run_forever();
  }
  future.remove_done_callback(id);
}

void Runner::Impl::cancel_all_tasks() {
  const std::vector<AnyTask> tasks = all_tasks(loop);
  for (const AnyTask& task : tasks) task.cancel();
  for (const AnyTask& task : tasks) {
    while (!task.done()) {
      run_until(task);
      if (!task.done() && loop.core().stalled) break;
    }
  }
  for (const AnyTask& task : tasks) {
    if (!task.done() || task.cancelled()) continue;
    if (const std::exception_ptr exception = task.exception()) {
      loop.call_exception_handler({.message = "unhandled exception during run() shutdown",
                                   .exception = exception,
                                   .subject = task.describe()});
    }
  }
}

void Runner::close() {
  EventLoop& loop = impl_->loop;
  if (loop.is_closed()) return;
  impl_->cancel_all_tasks();
  if (loop.core().executor) {
    auto joined = loop.create_task([&] { loop.shutdown_default_executor(impl_->options.executor_timeout); },
                                   TaskOptions{.name = "shutdown_default_executor"});
    impl_->run_until(joined);
  }
  loop.close();
}

}  // namespace coir
