// SPDX-License-Identifier: MIT
// A callback that C waits for: its number is a ticket, as that of every bridge.
#include <coir/coir.h>

#include <mutex>

#include <coir/await.hpp>
#include <coir/detail/c_callback.hpp>

#include "../bridge_lists.hpp"
#include "../ticket_table.hpp"
#include "c_loop.hpp"

namespace coir::detail {

/// The ticket stays valid while C may wait, so that a second call is told apart from one that comes too late.
///
/// CM1  In the map of its CLoop from open() until end_use(), which gives the loop's reference back and ends the ticket.
/// CM2  `mutex_` guards what other threads look at; `waiter_` belongs to the loop's thread.
class CCompletion final : public BridgeBase {
 public:
  CCompletion(LoopCore& loop, SourceLocation where)
      : BridgeBase(loop, "coir_completion", {}, where), inbox_(loop.inbox) {}

  static constexpr char tag = 0;

  /// Its number. Errors: std::bad_alloc; it is destroyed then.
  coir_completion open() {
    try {
      id_ = ticket_in(make_ticket(&tag, nullptr));
      CLoop::of(loop()).completions.emplace(id_, this);
      return id_;
    } catch (...) {
      if (id_ == 0) let_go();  // the reference that a ticket would have
      end_use(Stray::unknown);
      throw;
    }
  }

  // Any thread.
  int complete(int status, void* value) noexcept {
    std::unique_lock lock(mutex_);
    if (ended_) return COIR_ESTALE;
    if (completed_) {
      lock.unlock();
      count_stray(Stray::twice);
      return COIR_EALREADY;
    }
    completed_ = true;
    status_ = status;
    value_ = value;
    lock.unlock();
    if (on_loop_thread()) {
      wake();
      return COIR_OK;
    }
    HandleNode::retain();  // E1: the inbox's
    if (inbox_->push(*this)) return COIR_OK;
    HandleNode::release();
    lock.lock();
    return taken_ ? COIR_OK : COIR_ESTALE;  // the loop may have got the value and closed in between
  }
  void owner_gone() noexcept override { let_go(); }
  std::optional<Stray> ticket_ends() const noexcept override { return std::nullopt; }
  Stray ending() const noexcept override { return Stray::late; }
  void mapper_threw(std::exception_ptr) noexcept override {}

  // Loop's thread.
  bool stopping() const noexcept override { return false; }
  void loop_closes() noexcept override { end_use(Stray::after_close); }
  void invoke() override { wake(); }
  void drop() noexcept override {}
  void destroy() noexcept override { delete this; }

  void wait(Duration timeout, int* status, void** value);
  /// True: it had been completed.
  bool give_up(void** value) {
    const Ref<HandleNode> self(this);
    end_use(Stray::late);
    if (waiter_ && !waiter_->done()) waiter_->cancel("coir_completion_drop()");
    const std::scoped_lock lock(mutex_);
    taken_ = completed_;
    if (completed_ && value != nullptr) *value = value_;
    return completed_;
  }

 private:
  ~CCompletion() = default;
  bool completed() const noexcept {
    const std::scoped_lock lock(mutex_);
    return completed_;
  }
  bool ended() const noexcept {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
  void wake() noexcept {
    if (waiter_ && !waiter_->done()) waiter_->finish();
  }
  void end_use(Stray ended) noexcept {
    {
      const std::scoped_lock lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    if (loop().c_side != nullptr) loop().c_side->completions.erase(id_);
    revoke_ticket(ended);
    leave_loop();
    loop_lets_go();
  }

  coir_completion id_ = 0;
  const std::shared_ptr<Inbox> inbox_;
  Ref<FutureState> waiter_;   // null: nobody waits
  mutable std::mutex mutex_;  // CM2
  bool completed_ = false;
  bool ended_ = false;
  bool taken_ = false;        // somebody here has the value
  int status_ = 0;
  void* value_ = nullptr;
};

void CCompletion::wait(Duration timeout, int* status, void** value) {
  const Ref<HandleNode> self(this);
  if (waiter_) {
    throw CError(COIR_EBUSY, "coir_completion_wait(): another task waits for " + text() +
                                 ". Let one task wait, and tell the others.");
  }
  const auto expired = [&] {
    return CError(COIR_ETIMEDOUT,
                  text() + ": it was not completed in time. It is still there: wait again, or drop it.");
  };
  if (!completed()) {
    if (timeout == Duration::zero()) throw expired();
    struct Waiting {
      CCompletion& completion;
      ~Waiting() { completion.waiter_ = {}; }
    } const waiting{*this};
    waiter_ = Ref<FutureState>::adopt(&loop().owner->create_future<void>(scheduled_at).leak_state());
    waiter_->set_kind("coir_completion");
    const ScopedTimer timer(loop(), timeout, "coir_completion_wait timeout", [this] { wake(); });
    wait_until_done(*waiter_);
    waiter_->require_value();
    if (ended()) throw CancelledError("coir_completion_drop()");  // which has handed out the value
    if (!completed()) throw expired();
  }
  {
    const std::scoped_lock lock(mutex_);
    taken_ = true;
    if (status != nullptr) *status = status_;
    if (value != nullptr) *value = value_;
  }
  end_use(Stray::twice);
}

namespace {

CCompletion& find_completion(LoopCore& core, coir_completion id, const char* call) {
  const auto& completions = CLoop::of(core).completions;
  if (const auto found = completions.find(id); found != completions.end()) return *found->second;
  throw CError(COIR_ESTALE, std::string(call) +
                                ": this loop has no such completion, or no longer: one is used up by a "
                                "coir_completion_wait() that got its value, or coir_completion_drop().");
}

}  // namespace
}  // namespace coir::detail

using namespace coir::detail;

extern "C" {

int coir_completion_new_at(coir_completion* completion, const char* file, unsigned line) {
  return answer_c([&] {
    LoopCore& core = require_c_loop("coir_completion_new()");
    if (completion == nullptr) {
      throw CError(COIR_EINVAL, "coir_completion_new(): there is no place for the completion.");
    }
    *completion = (new CCompletion(core, {file, line}))->open();
    return int{COIR_OK};
  });
}

int coir_completion_complete(coir_completion completion, int status, void* value) {
  TicketUse use(completion, &CCompletion::tag);
  if (use.bridge() == nullptr) return COIR_ESTALE;
  return static_cast<CCompletion*>(use.bridge())->complete(status, value);
}

int coir_completion_wait(coir_completion completion, double timeout, int* status, void** value) {
  return answer_c([&] {
    LoopCore& core = require_c_task("coir_completion_wait()").loop();
    const coir::Duration limit = to_timeout(timeout);
    find_completion(core, completion, "coir_completion_wait()").wait(limit, status, value);
    return int{COIR_OK};
  });
}

int coir_completion_drop(coir_completion completion, void** value) {
  return answer_c([&] {
    constexpr const char* call = "coir_completion_drop()";
    return find_completion(require_c_loop(call), completion, call).give_up(value) ? 1 : 0;
  });
}

}  // extern "C"
