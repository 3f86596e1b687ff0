// SPDX-License-Identifier: MIT
// Threads for what blocks. concurrent.futures.Executor, ThreadPoolExecutor.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>

#include <coir/detail/export.hpp>

namespace coir {

/// One call for an executor. run() is called at most once, on any thread; destroying it without run() abandons it.
class COIR_EXPORT Work {
 public:
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work();
  virtual void run() noexcept = 0;
};

/// Runs work on other threads.
class COIR_EXPORT Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor();
  /// Errors    UsageError (loop_is_closed) after shutdown(); std::system_error or std::bad_alloc if no thread can be
  ///           started at all
  virtual void submit(std::unique_ptr<Work> work) = 0;
  /// Refuses further work and waits until the accepted work is done, at most `timeout`. True: nothing is left.
  /// Threads   any, and again
  virtual bool shutdown(std::chrono::nanoseconds timeout) = 0;
};

/// At most `max_threads` threads, started on demand and kept until shutdown, which joins them.
///
/// Its destructor waits for work that runs; queued work that never began is abandoned. A shutdown() that timed out
/// leaves its threads behind: they own what they share and end with their work.
/// Source    CPython concurrent/futures/thread.py; the default size is the same: processors + 4, at most 32.
class COIR_EXPORT ThreadPoolExecutor final : public Executor {
 public:
  explicit ThreadPoolExecutor(std::size_t max_threads = 0);
  ~ThreadPoolExecutor() override;
  void submit(std::unique_ptr<Work> work) override;
  bool shutdown(std::chrono::nanoseconds timeout) override;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace coir
