// SPDX-License-Identifier: MIT
#include <coir/io.hpp>

#include <string>

#include <coir/await.hpp>

#include "io.hpp"
#include "loop_core.hpp"

namespace coir {
namespace detail {
namespace {

/// One wait for a descriptor: the future that the task awaits and the node that the poller watches, in one block. The
/// poller's reference to the node counts as one of the future.
class FdWait final : public FutureState, public HandleNode {
 public:
  FdWait(LoopCore& loop, int fd, Poller::Direction direction) noexcept
      : FutureState(loop, SourceLocation()),
        HandleNode(Role::callback, SourceLocation()),
        fd_(fd),
        direction_(direction) {
    set_kind(direction == Poller::read ? "await_readable" : "await_writable");
    HandleNode::name = kind();
    FutureState::retain();
  }

  bool cancel(std::string message) override {
    if (!done()) forget();
    return FutureState::cancel(std::move(message));
  }
  /// The descriptor is ready. Its registration stays, for the next wait.
  void invoke() override {
    if (done()) return;
    loop().poller.end_wait(fd_, direction_)->HandleNode::release();
    finish();
  }
  /// Somebody took the descriptor away, by add_reader() or remove_reader() and their like, or the loop closed: nothing will
  /// ever end this wait.
  void drop() noexcept override {
    if (!done()) FutureState::cancel({});
  }
  /// Nobody waits any longer: it ends without the descriptor being ready.
  void expire() noexcept {
    if (done()) return;
    forget();
    expired_ = true;
    finish();
  }
  bool expired() const noexcept { return expired_; }
  void destroy() noexcept override { FutureState::release(); }

 private:
  ~FdWait() override = default;
  void forget() noexcept {
    Poller& poller = loop().poller;
    if (poller.watched(fd_, direction_) == this) poller.unwatch(fd_, direction_)->HandleNode::release();
  }

  const int fd_;
  const Poller::Direction direction_;
  bool expired_ = false;
};

/// With one reference of the future, the caller's.
FdWait& begin_wait(int fd, Poller::Direction direction, const char* call) {
  TaskState& task = require_task(call);
  LoopCore& core = task.loop();
  core.require_open(call);
  if (core.poller.watched(fd, direction) != nullptr) {
    throw UsageError(UsageError::Reason::fd_in_use,
                     std::string(call) + ": another task or callback already waits for descriptor " +
                         std::to_string(fd) + " in this direction. Let one task read and hand out what it got.");
  }
  auto* wait = new FdWait(core, fd, direction);
  auto future = Ref<FutureState>::adopt(wait);
  core.poller.watch_once(fd, direction, *wait, task.id());  // takes the node's reference, also when it throws
  static_cast<void>(future.leak());
  return *wait;
}

void await_ready(int fd, Poller::Direction direction, const char* call) {
  FdWait& wait = begin_wait(fd, direction, call);
  const auto future = Ref<FutureState>::adopt(&wait);
  wait_until_done(wait);
  wait.require_value();
}

}  // namespace

bool await_ready_within(int fd, Poller::Direction direction, const char* call, Duration limit) {
  if (limit == Duration::max()) return await_ready(fd, direction, call), true;
  FdWait& wait = begin_wait(fd, direction, call);
  const auto future = Ref<FutureState>::adopt(&wait);
  struct Timer {
    TimerHandle handle;
    ~Timer() { handle.cancel(); }
  } const timer{wait.loop().owner->call_later(limit, [&wait] { wait.expire(); }, call)};
  wait_until_done(wait);
  wait.require_value();
  return !wait.expired();
}
}  // namespace detail

void await_readable(int fd) { detail::await_ready(fd, detail::Poller::read, "await_readable()"); }
void await_writable(int fd) { detail::await_ready(fd, detail::Poller::write, "await_writable()"); }

}  // namespace coir
