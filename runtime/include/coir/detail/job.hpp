// SPDX-License-Identifier: MIT
// One call on its way to another thread and back.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <coir/detail/future_state.hpp>
#include <coir/executor.hpp>

namespace coir::detail {

class Inbox;

/// Carries a callable to an executor's thread and its outcome back to the loop as a posted callback.
///
/// J1  `future` and the list links belong to the loop's thread. The worker touches neither, so it may finish after the
///     loop has closed: closing detaches the job from its future, and the worker then just drops it.
/// J2  References (counted atomically, as `shared` nodes are): one of the worker's Work, one of the loop's list until
///     the outcome arrived or the loop closed, one of the inbox while posted.
class COIR_EXPORT Job : public HandleNode {
 public:
  Job(LoopCore& loop, SourceLocation where);

  Ref<FutureState> future() const noexcept { return future_; }
  /// Worker's thread: runs the call unless it was cancelled meanwhile, then posts the outcome.
  void execute() noexcept;
  void cancel_call() noexcept { skip_.store(true, std::memory_order_relaxed); }
  /// Loop's thread: the worker never got it.
  void withdraw() noexcept;
  /// Loop's thread, at close: forgets the future.
  void detach() noexcept;

  void invoke() final;
  void drop() noexcept final {}

 protected:
  ~Job();
  virtual void call() noexcept = 0;                             // worker: stores the outcome, destroys the callable
  virtual void deliver(FutureState& future) noexcept = 0;       // loop: moves it into the future if still pending
  virtual void forget_future() noexcept = 0;                    // loop: J1
  Ref<FutureState> future_;

 private:
  friend class LoopCore;
  void unlink() noexcept;
  std::shared_ptr<Inbox> inbox_;
  LoopCore* loop_;        // J1; null once unlinked
  Job* newer_ = nullptr;  // J1
  Job* older_ = nullptr;
  std::atomic<bool> skip_{false};
};

/// The future of a job: cancelling it also keeps a call that has not begun from beginning.
template <class R>
class JobFuture final : public ValueState<FutureState, R> {
 public:
  using ValueState<FutureState, R>::ValueState;
  // The job is alive while `job` is set: the loop's list holds it until the outcome arrives (J2).
  bool cancel(std::string message) override {
    if (job != nullptr) job->cancel_call();
    return FutureState::cancel(std::move(message));
  }
  Job* job = nullptr;  // null once the outcome arrived or was given up

 private:
  ~JobFuture() override = default;
};

template <class R, class Fn>
class JobOf final : public Job {
 public:
  template <class F>
  static Ref<JobOf> create(LoopCore& loop, F&& fn, SourceLocation where) {
    return Ref<JobOf>::adopt(new JobOf(loop, std::forward<F>(fn), where));
  }
  void destroy() noexcept override { delete this; }

 private:
  template <class F>
  JobOf(LoopCore& loop, F&& fn, SourceLocation where) : Job(loop, where), fn_(std::in_place, std::forward<F>(fn)) {
    auto* state = new JobFuture<R>(loop, where);
    state->set_kind("run_in_executor");
    state->job = this;
    future_ = Ref<FutureState>::adopt(state);
  }
  ~JobOf() = default;

  void call() noexcept override {
    try {
      if constexpr (std::is_void_v<R>) {
        (*fn_)();
        outcome_.template emplace<1>();
      } else {
        outcome_.template emplace<1>((*fn_)());
      }
    } catch (...) {
      outcome_.template emplace<2>(std::current_exception());
    }
    fn_.reset();
  }
  void deliver(FutureState& future) noexcept override {
    static_cast<JobFuture<R>&>(future).job = nullptr;
    if (future.done()) return;
    if (outcome_.index() == 0) {
      future.cancel("the executor was shut down before the call began");
    } else if (outcome_.index() == 2) {
      future.finish(std::get<2>(std::move(outcome_)));
    } else {
      ValueAccess<R>::of(future).emplace(std::get<1>(std::move(outcome_)));
      future.finish();
    }
  }

  void forget_future() noexcept override {
    if (future_) static_cast<JobFuture<R>&>(*future_).job = nullptr;
    future_ = {};
  }

  std::optional<Fn> fn_;
  std::variant<std::monostate, Stored<R>, std::exception_ptr> outcome_;
};

/// Hands the job over. Errors: what the executor throws; the future is then cancelled.
COIR_EXPORT void submit_job(Executor& executor, Job& job);
COIR_EXPORT Executor& default_executor(LoopCore& loop);

}  // namespace coir::detail
