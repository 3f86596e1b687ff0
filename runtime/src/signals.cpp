// SPDX-License-Identifier: MIT
#include "signals.hpp"

#include <signal.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <coir/errors.hpp>

#include "loop_core.hpp"

namespace coir::detail {
namespace {

/// The callback of an add_signal_handler(); replacing it keeps the node, with a signal that is on its way.
class UserSignal final : public SignalNode {
 public:
  UserSignal(LoopCore& owner, Ref<HandleNode> callback) : SignalNode(owner, callback->scheduled_at) {
    replace(std::move(callback));
  }
  void replace(Ref<HandleNode> callback) noexcept {
    name = callback->name;
    scheduled_at = callback->scheduled_at;
    context.copy(callback->context);
    callback_ = std::move(callback);
  }
  void deliver() override {
    const Ref<HandleNode> kept = callback_;  // it may remove or replace itself
    if (kept) kept->invoke();
  }
  void uninstalled() noexcept override { callback_ = {}; }

 private:
  ~UserSignal() override = default;
  Ref<HandleNode> callback_;  // null once removed
};

/// Who receives a signal. The handler reads `receiver` alone; everything else goes by the mutex.
struct Entry {
  std::atomic<SignalNode*> receiver{nullptr};  // counted
  bool by_user = false;                        // a UserSignal
};

std::array<Entry, NSIG> table;
std::mutex table_mutex;  // never taken in a signal handler
std::atomic<int> handlers_running{0};
static_assert(std::atomic<SignalNode*>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  const int saved = errno;
  handlers_running.fetch_add(1);
  if (SignalNode* node = table[static_cast<std::size_t>(signal)].receiver.load()) node->arrived();
  handlers_running.fetch_sub(1);
  errno = saved;
}

Entry& entry_of(int signal) noexcept { return table[static_cast<std::size_t>(signal)]; }

bool is_signal(int signal) noexcept {
  sigset_t all;
  ::sigfillset(&all);  // without those that glibc keeps to itself
  return ::sigismember(&all, signal) == 1;
}

void require_signal(int signal) {
  if (!is_signal(signal)) throw std::invalid_argument("invalid signal number " + std::to_string(signal));
}

bool handle(int signal) noexcept {
  struct sigaction ours {};
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigfillset(&ours.sa_mask);  // nobody's handler can leave ours half done
  return ::sigaction(signal, &ours, nullptr) == 0;
}

bool has_default_action(int signal) noexcept {
  struct sigaction present {};
  return ::sigaction(signal, nullptr, &present) == 0 && (present.sa_flags & SA_SIGINFO) == 0 &&
         present.sa_handler == SIG_DFL;
}

/// Puts `node`, or nobody, in the place of the receiver, which is returned. Under the mutex. G1
Ref<SignalNode> exchange_receiver(Entry& entry, Ref<SignalNode> node) noexcept {
  SignalNode* const before = entry.receiver.exchange(node.leak());
  // A handler on this thread has ended; one on another takes no longer than a write(2).
  while (handlers_running.load() != 0) std::this_thread::yield();
  return Ref<SignalNode>::adopt(before);
}

Ref<SignalNode> restore_default(int signal, Entry& entry) noexcept {
  ::signal(signal, SIG_DFL);
  return exchange_receiver(entry, {});
}

}  // namespace

SignalNode::SignalNode(LoopCore& owner, SourceLocation created_at)
    : HandleNode(Role::callback, created_at), loop_(owner), inbox_(owner.inbox) {
  shared = true;
  persistent = true;
}

void SignalNode::post() noexcept {
  if (posted_.exchange(true)) return;
  retain();
  if (!inbox_->push(*this)) release();  // not the last reference: G1
}

bool install_unless_handled(int signal, const Ref<SignalNode>& node) {
  const std::scoped_lock lock(table_mutex);
  Entry& entry = entry_of(signal);
  if (entry.receiver.load() != nullptr || !has_default_action(signal)) return false;
  entry.by_user = false;
  entry.receiver.store(Ref<SignalNode>(node).leak());
  return handle(signal);
}

void uninstall(int signal, SignalNode& node) noexcept {
  Ref<SignalNode> removed;
  {
    const std::scoped_lock lock(table_mutex);
    if (entry_of(signal).receiver.load() != &node) return;
    removed = restore_default(signal, entry_of(signal));
  }
  removed->uninstalled();
}

void add_signal_handler(LoopCore& loop, int signal, HandleNode& callback) {
  Ref<HandleNode> own = Ref<HandleNode>::adopt(&callback);
  require_signal(signal);
  if (signal == SIGKILL || signal == SIGSTOP) {
    throw std::invalid_argument("signal " + std::to_string(signal) + " cannot be caught");
  }
  if (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL) {
    throw std::invalid_argument(
        "signal " + std::to_string(signal) +
        " tells of a fault in the instruction that runs: no callback of a loop could run before "
        "the fault repeats");
  }
  Ref<SignalNode> replaced;  // destroyed behind the lock: the callable may use the loop
  {
    const std::scoped_lock lock(table_mutex);
    Entry& entry = entry_of(signal);
    SignalNode* present = entry.receiver.load();
    if (present != nullptr && &present->loop() != &loop) {
      throw UsageError(UsageError::Reason::signal_in_use,
                       "add_signal_handler(): another loop handles signal " + std::to_string(signal) +
                           ". A signal belongs to one loop at a time: remove it there, or pass it on with "
                           "call_soon_threadsafe(). run() handles SIGINT unless RunOptions::handle_sigint is false.");
    }
    if (present == nullptr || !entry.by_user) {
      auto node = Ref<SignalNode>::adopt(new UserSignal(loop, std::move(own)));
      if (!handle(signal)) {
        throw std::system_error(errno, std::generic_category(), "signal " + std::to_string(signal));
      }
      entry.by_user = true;
      ++loop.signal_handlers;
      replaced = exchange_receiver(entry, std::move(node));  // that of run(), if any
    }
  }
  if (replaced) return replaced->uninstalled();
  if (!own) return;
  // Installed by this very loop, so nobody else takes it out meanwhile.
  static_cast<UserSignal*>(entry_of(signal).receiver.load())->replace(std::move(own));
  static_cast<void>(handle(signal));  // the program may have changed the action behind our back
}

bool remove_signal_handler(LoopCore& loop, int signal) {
  require_signal(signal);
  Ref<SignalNode> removed;
  {
    const std::scoped_lock lock(table_mutex);
    Entry& entry = entry_of(signal);
    const SignalNode* present = entry.receiver.load();
    if (present == nullptr || &present->loop() != &loop || !entry.by_user) return false;
    removed = restore_default(signal, entry);
    --loop.signal_handlers;
  }
  removed->uninstalled();
  return true;
}

void remove_signal_handlers(LoopCore& loop) noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (entry_of(signal).receiver.load(std::memory_order_relaxed) == nullptr) continue;
    remove_signal_handler(loop, signal);
  }
}

}  // namespace coir::detail
