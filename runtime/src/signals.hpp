// SPDX-License-Identifier: MIT
// Signals of the process, as callbacks of a loop.
#pragma once

#include <atomic>
#include <memory>

#include <coir/detail/handle_node.hpp>
#include <coir/detail/ref.hpp>

#include "inbox.hpp"

namespace coir::detail {

/// Preallocated callback of one signal. All that the signal handler does is to push it into the loop's inbox, once for
/// any number of signals that arrive before the loop comes to it.
///
/// G1  Counted by the process's table while it is installed there, and by the inbox or the ready queue while it is
///     posted. Taking it out of the table waits for signal handlers that are at it on other threads: none sees a dead one.
/// G2  posted_ is cleared before deliver(): a signal that arrives from then on posts it again, so none is lost.
class SignalNode : public HandleNode {
 public:
  SignalNode(LoopCore& owner, SourceLocation created_at);

  /// In the signal handler, on any thread.
  virtual void arrived() noexcept { post(); }
  /// On the loop's thread, as an ordinary callback.
  virtual void deliver() = 0;
  /// It has left the table. On the loop's thread.
  virtual void uninstalled() noexcept {}

  LoopCore& loop() const noexcept { return loop_; }
  /// Whether a signal arrived that deliver() has not been called for.
  bool undelivered() const noexcept { return posted_.load(); }

  void invoke() final {
    posted_.store(false);  // G2
    deliver();
  }
  void drop() noexcept override {}

 protected:
  virtual ~SignalNode() = default;
  void post() noexcept;

 private:
  void destroy() noexcept final { delete this; }

  LoopCore& loop_;  // installed nodes do not outlive it
  std::shared_ptr<Inbox> inbox_;
  std::atomic<bool> posted_{false};
};

/// Makes `node` the receiver of a signal that has its default action, and no receiver yet. False otherwise.
bool install_unless_handled(int signal, const Ref<SignalNode>& node);
/// Gives the signal its default action back if `node` still receives it.
void uninstall(int signal, SignalNode& node) noexcept;

/// EventLoop::add_signal_handler(). Takes the callback's reference over, also when it throws.
void add_signal_handler(LoopCore& loop, int signal, HandleNode& callback);
bool remove_signal_handler(LoopCore& loop, int signal);
/// For a loop that closes.
void remove_signal_handlers(LoopCore& loop) noexcept;

}  // namespace coir::detail
