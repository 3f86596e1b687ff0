// SPDX-License-Identifier: MIT
#include <coir/detail/job.hpp>

#include <utility>

#include <coir/threads.hpp>

#include "loop_core.hpp"

namespace coir {
namespace detail {

Job::Job(LoopCore& loop, SourceLocation where)
    : HandleNode(Role::callback, where), inbox_(loop.inbox), loop_(nullptr) {
  shared = true;
  name = "run_in_executor";
}

Job::~Job() = default;

void Job::execute() noexcept {
  if (!skip_.load(std::memory_order_relaxed)) call();
  retain();  // J2
  queued = true;
  if (!inbox_->push(*this)) release();
}

void Job::unlink() noexcept {
  if (loop_ == nullptr) return;
  LoopCore& core = *std::exchange(loop_, nullptr);
  if (newer_ != nullptr) newer_->older_ = older_;
  if (older_ != nullptr) older_->newer_ = newer_;
  if (core.newest_job == this) core.newest_job = older_;
  newer_ = older_ = nullptr;
  --core.job_count;
  HandleNode::release();  // J2
}

void Job::invoke() {
  const Ref<FutureState> future = std::exchange(future_, {});
  if (future) deliver(*future);
  unlink();
}

void Job::withdraw() noexcept {
  if (future_) future_->cancel({});
  detach();
}

void Job::detach() noexcept {
  forget_future();
  unlink();
}

namespace {

class JobWork final : public Work {
 public:
  explicit JobWork(Ref<Job> job) noexcept : job_(std::move(job)) {}
  void run() noexcept override { std::exchange(job_, {})->execute(); }
  // An executor that was shut down abandons what has not begun: the awaiter must not wait for ever.
  ~JobWork() override {
    if (job_) {
      job_->cancel_call();
      job_->execute();
    }
  }

 private:
  Ref<Job> job_;
};

}  // namespace

void submit_job(Executor& executor, Job& job) {
  LoopCore& core = job.future()->loop();
  core.add_job(job);
  try {
    executor.submit(std::make_unique<JobWork>(Ref<Job>(&job)));
  } catch (...) {
    job.withdraw();
    throw;
  }
}

Executor& default_executor(LoopCore& loop) {
  if (loop.executor_shut_down) {
    throw UsageError(UsageError::Reason::loop_is_closed,
                     "run_in_executor(): the default executor has been shut down. Set another one with "
                     "set_default_executor(), or start the work before run() ends.");
  }
  if (!loop.executor) loop.executor = std::make_shared<ThreadPoolExecutor>();
  return *loop.executor;
}

}  // namespace detail

void EventLoop::set_default_executor(std::unique_ptr<Executor> executor) {
  core_for("set_default_executor()");
  core_->executor = std::move(executor);
  core_->executor_shut_down = false;
}

void EventLoop::shutdown_default_executor(Duration timeout) {
  detail::require_task("shutdown_default_executor()");
  core_for("shutdown_default_executor()").executor_shut_down = true;
  if (!core_->executor) return;
  // A thread of its own waits for the others, so that tasks which those wait for can go on.
  ThreadPoolExecutor waiter(1);
  bool finished = false;
  try {
    finished = await(run_in_executor(
        waiter, [executor = core_->executor, timeout] { return executor->shutdown(timeout); }));
  } catch (...) {
    waiter.shutdown({});  // this task is cancelled: the thread goes on alone and ends by itself
    throw;
  }
  if (!finished) {
    core_->report({.message = "shutdown_default_executor(): some calls did not finish in time; their threads are "
                              "left behind and their results will be dropped"});
  }
}

}  // namespace coir
