// SPDX-License-Identifier: MIT
#include <coir/run.hpp>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include <coir/threads.hpp>

#include "drain.hpp"
#include "loop_core.hpp"
#include "signals.hpp"
#include "stop_when_done.hpp"

namespace coir {
namespace {

/// SIGINT while a main task runs: the first one cancels it, the second leaves the loop, the third ends the process.
class InterruptNode final : public detail::SignalNode {
 public:
  InterruptNode(detail::LoopCore& loop, AnyTask main) : SignalNode(loop, SourceLocation()), main_(std::move(main)) {
    name = "SIGINT";
  }

  void arrived() noexcept override {
    if (signals_.fetch_add(1) >= 2) {
      // The loop did not even get to the second: let the third one do what it does by default.
      ::signal(SIGINT, SIG_DFL);
      ::raise(SIGINT);
      return;
    }
    post();
  }
  int signals() const noexcept { return signals_.load(); }
  bool cancelled_main() const noexcept { return cancelled_main_; }

  void deliver() override {
    if (!main_) return;  // run() is over, and has told of this signal
    if (signals() == 1 && !main_.done()) {
      main_.cancel();
      cancelled_main_ = true;
      return;
    }
    throw KeyboardInterrupt(signals() == 1 ? "SIGINT" : "SIGINT, twice");
  }
  /// Loop's thread, once no signal can arrive any more.
  void forget_main() { main_ = {}; }

 private:
  ~InterruptNode() override = default;

  AnyTask main_;
  std::atomic<int> signals_{0};
  bool cancelled_main_ = false;
};

class InterruptScope {
 public:
  InterruptScope(bool wanted, const AnyTask& main, detail::LoopCore& loop) {
    const bool first_thread = ::getpid() == static_cast<pid_t>(::syscall(SYS_gettid));
    if (!wanted || !first_thread) return;
    auto node = detail::Ref<InterruptNode>::adopt(new InterruptNode(loop, main));
    if (detail::install_unless_handled(SIGINT, detail::Ref<detail::SignalNode>(node.get()))) node_ = std::move(node);
  }
  ~InterruptScope() { end(); }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// From here on SIGINT has its default action, unless the program has taken it over meanwhile.
  void end() {
    if (!node_) return;
    detail::uninstall(SIGINT, *node_);
    node_->forget_main();
  }
  bool interrupted() const noexcept { return node_ && node_->cancelled_main(); }
  /// Behind end(): one arrived after the last turn.
  bool undelivered() const noexcept { return node_ && node_->undelivered(); }

 private:
  detail::Ref<InterruptNode> node_;
};

}  // namespace

struct Runner::Impl {
  explicit Impl(RunOptions with) : options(std::move(with)), loop(options.loop) {}
  RunOptions options;
  EventLoop loop;
  std::optional<Context> context;

};

Runner::Runner(RunOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Runner::~Runner() {
  if (impl_->loop.core().left_by_exit()) {
    static_cast<void>(impl_.release());  // ~EventLoop() says why
    return;
  }
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
                     "run() called inside " + detail::running_loop->describe_running_callback() +
                         ": run() cannot be called from a running event loop. Start a task with create_task(); inside "
                         "a task run(fn) works and just calls fn.");
  }
  impl_->loop.core_for("run()");
}

void Runner::run_main(const AnyTask& main) {
  detail::LoopCore& core = impl_->loop.core();
  InterruptScope interrupts(impl_->options.handle_sigint, main, core);
  const detail::StopWhenDone stop_when_done(impl_->loop, main);
  try {
    impl_->loop.run_forever();
  } catch (...) {
    if (main.done()) main.state().mark_retrieved();
    throw;
  }
  interrupts.end();
  if (interrupts.undelivered()) {
    if (main.done()) main.state().mark_retrieved();
    throw KeyboardInterrupt("SIGINT");
  }
  if (!main.done()) {
    throw UsageError(UsageError::Reason::stopped_early, "run(): Event loop stopped before Future completed.");
  }
  if (main.cancelled() && interrupts.interrupted() && main.uncancel() == 0) throw KeyboardInterrupt("SIGINT");
}

void Runner::close() {
  EventLoop& loop = impl_->loop;
  if (loop.is_closed()) return;
  detail::cancel_all_tasks(loop, "run() shutdown");
  if (loop.core().executor) {
    auto joined = loop.create_task([&] { loop.shutdown_default_executor(impl_->options.executor_timeout); },
                                   TaskOptions{.name = "shutdown_default_executor"});
    detail::run_until(loop, joined);
  }
  loop.close();
}

}  // namespace coir
