// SPDX-License-Identifier: MIT
// Everything that coir throws. asyncio.exceptions.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <coir/detail/export.hpp>

namespace coir {

/// Root of what must get past `catch (const std::exception&)`: it is deliberately not a std::exception. `catch (...)`
/// still sees it and has to rethrow. Source: Python's BaseException.
class COIR_EXPORT BaseException {
 public:
  explicit BaseException(std::string message = {}) : message_(std::move(message)) {}
  BaseException(const BaseException&) = default;
  BaseException(BaseException&&) = default;
  BaseException& operator=(const BaseException&) = default;
  BaseException& operator=(BaseException&&) = default;
  virtual ~BaseException();
  const std::string& message() const noexcept { return message_; }

 private:
  std::string message_;
};

/// The awaited future was cancelled, or the task itself was: thrown once, at an await, for each cancel() that took.
/// message() is what cancel() was given. A task that lets it out ends cancelled.
class COIR_EXPORT CancelledError : public BaseException {
 public:
  using BaseException::BaseException;
  ~CancelledError() override;
};

/// Leaves the loop at once, from a callback or a task; thrown by run() after the second SIGINT.
class COIR_EXPORT KeyboardInterrupt : public BaseException {
 public:
  using BaseException::BaseException;
  ~KeyboardInterrupt() override;
};

/// Leaves the loop at once, from a callback or a task.
class COIR_EXPORT SystemExit : public BaseException {
 public:
  using BaseException::BaseException;
  ~SystemExit() override;
};

/// A deadline passed: wait_for(), timeout(), as_completed().
class COIR_EXPORT TimeoutError : public std::runtime_error {
 public:
  explicit TimeoutError(const std::string& message = "the deadline passed") : std::runtime_error(message) {}
  ~TimeoutError() override;
};

/// The future is not in a state that allows the call: result() while pending, set_result() when done.
class COIR_EXPORT InvalidStateError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~InvalidStateError() override;
};

/// The program used coir in a way that cannot work. what() says what was called, where, and what to write instead.
class COIR_EXPORT UsageError : public std::logic_error {
 public:
  enum class Reason {
    no_running_loop,   ///< no loop runs on this thread
    outside_task,      ///< await in a callback or on the loop's own stack
    await_on_itself,   ///< a task awaits itself
    wrong_loop,        ///< the future belongs to another loop
    loop_is_running,   ///< run or close of a loop that is running, or a second loop on a thread that runs one
    loop_is_closed,    ///< any call after close()
    wrong_thread,      ///< debug mode: a call from a thread that does not run the loop
    stopped_early,     ///< stop() before the future that run_until_complete() waits for was done
    result_of_task,    ///< set_result() or set_exception() on a Task
    fd_in_use,         ///< another task waits for the same descriptor and direction
    signal_in_use,     ///< another loop handles this signal
    not_acquired,      ///< release() or notify() of a lock that is not held
    released_too_often,       ///< BoundedSemaphore::release() or Queue::task_done() more often than the counterpart
    destroyed_while_waiting,  ///< a Lock, Queue or the like was destroyed under a task that waits for it
    group_not_active,  ///< TaskGroup::create_task() before, after or while the group is shutting down
    no_await,          ///< an await inside a NoAwait scope
    forked,            ///< a call, in the child of a fork(), of the loop that ran in the parent
    not_attached,      ///< pump() or detach() of a loop that has no host
    token_used,        ///< a second ContextVar::reset() with one token
    stream_in_use,     ///< Stream::next() while another task waits in it
  };
  UsageError(Reason reason, const std::string& message) : std::logic_error(message), reason_(reason) {}
  ~UsageError() override;
  Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

/// Barrier::wait(): the barrier was broken or reset. Source: CPython Lib/asyncio/exceptions.py
class COIR_EXPORT BrokenBarrierError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~BrokenBarrierError() override;
};

/// get_nowait() on an empty queue.
class COIR_EXPORT QueueEmpty : public std::runtime_error {
 public:
  explicit QueueEmpty(const std::string& message = "the queue is empty") : std::runtime_error(message) {}
  ~QueueEmpty() override;
};

/// put_nowait() on a full queue.
class COIR_EXPORT QueueFull : public std::runtime_error {
 public:
  explicit QueueFull(const std::string& message = "the queue is full") : std::runtime_error(message) {}
  ~QueueFull() override;
};

/// put() after Queue::shutdown(), get() when nothing is left behind it.
class COIR_EXPORT QueueShutDown : public std::runtime_error {
 public:
  explicit QueueShutDown(const std::string& message = "the queue is shut down") : std::runtime_error(message) {}
  ~QueueShutDown() override;
};

/// Every task waits, and nothing can wake any: no timer, no descriptor, no thread. what() names each task, what it waits
/// on, and the circle if they wait for each other. Thrown by run() and run_forever(); see LoopOptions::detect_deadlocks.
class COIR_EXPORT DeadlockError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~DeadlockError() override;
};

/// Whoever had to call back let go of the callback without calling it.
class COIR_EXPORT BrokenCallback : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~BrokenCallback() override;
};

/// A Stream got more items than it has room for, under the policy `fail`.
class COIR_EXPORT StreamOverflow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~StreamOverflow() override;
};

/// Several failures at once.
class COIR_EXPORT ExceptionGroup : public std::exception {
 public:
  ExceptionGroup(const std::string& message, std::vector<std::exception_ptr> exceptions);
  ~ExceptionGroup() override;
  const char* what() const noexcept override { return what_.c_str(); }
  const std::vector<std::exception_ptr>& exceptions() const noexcept { return exceptions_; }

 private:
  std::string what_;
  std::vector<std::exception_ptr> exceptions_;
};

/// "std::runtime_error: disk full", "coir::CancelledError: shutting down", or the demangled type alone.
COIR_EXPORT std::string describe(const std::exception_ptr& exception);

}  // namespace coir
