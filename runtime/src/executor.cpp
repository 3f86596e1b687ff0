// SPDX-License-Identifier: MIT
#include <coir/executor.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <coir/errors.hpp>

namespace coir {

Work::~Work() = default;
Executor::~Executor() = default;

struct ThreadPoolExecutor::Shared {
  std::mutex mutex;
  std::condition_variable work_or_shutdown;
  std::condition_variable thread_ended;
  // Under the mutex:
  std::deque<std::unique_ptr<Work>> queue;
  std::vector<std::thread> handles;  // of all that were started and have not been joined
  std::size_t threads = 0;           // that serve
  std::size_t idle = 0;
  std::size_t max_threads = 0;
  bool shut_down = false;

  static void serve(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    for (;;) {
      ++shared->idle;
      shared->work_or_shutdown.wait(lock, [&] { return !shared->queue.empty() || shared->shut_down; });
      --shared->idle;
      if (shared->queue.empty()) break;
      std::unique_ptr<Work> work = std::move(shared->queue.front());
      shared->queue.pop_front();
      lock.unlock();
      work->run();
      work.reset();
      lock.lock();
    }
    --shared->threads;
    shared->thread_ended.notify_all();
  }

  bool nothing_left() const noexcept { return threads == 0; }
  /// Once nothing is left: waits for the threads' very end, behind which nothing of theirs runs, such as destructors of
  /// thread-local objects. Gives the lock back.
  void join(std::unique_lock<std::mutex> lock) {
    auto ended = std::exchange(handles, {});
    lock.unlock();
    for (std::thread& each : ended) each.join();
  }
};

ThreadPoolExecutor::ThreadPoolExecutor(std::size_t max_threads) : shared_(std::make_shared<Shared>()) {
  const std::size_t usual = std::min<std::size_t>(32, std::max(1U, std::thread::hardware_concurrency()) + 4);
  shared_->max_threads = max_threads != 0 ? max_threads : usual;
}

ThreadPoolExecutor::~ThreadPoolExecutor() {
  std::unique_lock lock(shared_->mutex);
  const bool first = !std::exchange(shared_->shut_down, true);
  const auto abandoned = std::exchange(shared_->queue, {});
  shared_->work_or_shutdown.notify_all();
  // After a shutdown() somebody has waited as long as they wanted to.
  if (first) shared_->thread_ended.wait(lock, [&] { return shared_->nothing_left(); });
  if (shared_->nothing_left()) {
    shared_->join(std::move(lock));
    return;
  }
  for (std::thread& each : shared_->handles) each.detach();  // owners of what they use
  shared_->handles.clear();
  lock.unlock();  // before `abandoned` is destroyed: that runs destructors of users
}

void ThreadPoolExecutor::submit(std::unique_ptr<Work> work) {
  const std::scoped_lock lock(shared_->mutex);
  if (shared_->shut_down) {
    throw UsageError(UsageError::Reason::loop_is_closed, "this executor has been shut down and takes no more work");
  }
  shared_->queue.push_back(std::move(work));
  if (shared_->idle >= shared_->queue.size() || shared_->threads == shared_->max_threads) {
    shared_->work_or_shutdown.notify_one();
    return;
  }
  try {
    ++shared_->threads;
    shared_->handles.emplace_back(Shared::serve, shared_);
  } catch (...) {
    --shared_->threads;
    if (shared_->threads != 0) return;  // the others get to it
    work = std::move(shared_->queue.back());
    shared_->queue.pop_back();
    throw;
  }
}

bool ThreadPoolExecutor::shutdown(std::chrono::nanoseconds timeout) {
  std::unique_lock lock(shared_->mutex);
  shared_->shut_down = true;
  shared_->work_or_shutdown.notify_all();
  const auto nothing_left = [&] { return shared_->nothing_left(); };
  // A deadline far away overflows the clock: no deadline, then.
  if (timeout >= std::chrono::hours(24 * 365)) {
    shared_->thread_ended.wait(lock, nothing_left);
  } else if (!shared_->thread_ended.wait_for(lock, timeout, nothing_left)) {
    return false;
  }
  shared_->join(std::move(lock));
  return true;
}

}  // namespace coir
