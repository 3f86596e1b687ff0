// SPDX-License-Identifier: MIT
#include <coir/on_main.hpp>

#include <coir/await.hpp>

#include "loop_core.hpp"
#include "no_await.hpp"

namespace coir::detail {
namespace {

/// The future that the task awaits and the callback in LoopCore::main_calls, in one block. The queue's reference to the
/// node counts as one of the future.
class MainCall final : public FutureState, public HandleNode {
 public:
  MainCall(LoopCore& loop, void (*function)(void*), void* argument, SourceLocation where) noexcept
      : FutureState(loop, where), HandleNode(Role::callback, where), function_(function), argument_(argument) {
    set_kind("on_main");
    HandleNode::name = kind();
    copy_current_context(context);
    FutureState::retain();
  }

  bool cancel(std::string message) override {
    if (HandleNode::running) return false;  // it may use the task's variables: the task has to wait
    HandleNode::cancelled.store(true, std::memory_order_relaxed);
    return FutureState::cancel(std::move(message));
  }
  void invoke() override {
    try {
      function_(argument_);
      finish();
    } catch (...) {
      finish(std::current_exception());
    }
  }
  /// The loop closed.
  void drop() noexcept override {
    if (!done()) FutureState::cancel({});
  }
  void destroy() noexcept override { FutureState::release(); }

 private:
  ~MainCall() override = default;

  void (*const function_)(void*);
  void* const argument_;
};

}  // namespace

bool on_task_stack(const char* call) {
  if (running_task() == nullptr) return false;
  require_task(call);
  return true;
}

void call_on_main(void (*function)(void*), void* argument, SourceLocation where) {
  LoopCore& core = require_task("on_main()").loop();
  core.require_open("on_main()");
  auto* call = new MainCall(core, function, argument, where);
  const auto future = Ref<FutureState>::adopt(call);
  call->queued = true;
  core.main_calls.push(*call);
  core.update_host_only();
  wait_until_done(*call);
  call->require_value();
}

void LoopCore::run_main_calls() {
  while (HandleNode* const call = main_calls.pop()) run_callback(*call);
  update_host_only();
}

}  // namespace coir::detail
