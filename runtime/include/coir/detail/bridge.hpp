// SPDX-License-Identifier: MIT
// One callback that comes once, and who waits for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include <coir/await.hpp>
#include <coir/detail/bridge_base.hpp>
#include <coir/handle.hpp>

namespace coir {

/// How a callback is waited for.
struct BridgeOptions {
  /// TimeoutError if the callback has not come by then; else as a cancellation in every respect.
  Duration timeout = Duration::max();
  /// A value that comes although the wait was cancelled or timed out, because the canceller said will_fire, is returned,
  /// and CancelledError comes at the task's next await (but no TimeoutError any more). A failure is not.
  bool prefer_result = false;
  /// For messages and pending_bridges(); copied.
  std::string_view name = {};
  /// For wrappers: their caller's place. None: that of the call.
  SourceLocation where = {};
};

namespace detail {

class Bridge;

/// What waits for a bridge: cancelling it asks the canceller. Until it is concluded the bridge holds it.
class COIR_EXPORT BridgeFuture : public FutureState {
 public:
  BridgeFuture(LoopCore& loop, SourceLocation where, const char* kind) noexcept : FutureState(loop, where) {
    set_kind(kind);
  }
  bool cancel(std::string message) override;
  Bridge* bridge = nullptr;  // null once concluded

 protected:
  ~BridgeFuture() override = default;
};

/// The future of from_callback(), in the memory of its bridge (F5).
class COIR_EXPORT FrameFuture final : public BridgeFuture {
 public:
  FrameFuture(LoopCore& loop, Bridge& home) noexcept;
  static void operator delete(FrameFuture* it, std::destroying_delete_t) noexcept;

 private:
  friend class Bridge;
  ~FrameFuture() override = default;
  Bridge& home_;
};

/// The state between a foreign caller and one waiter.
///
///     pending --claim--> claimed --stored, and told the loop--> settled
///             --nobody waits--> abandoned
///             --loop closed--> closed
///
/// F1  Whoever moves phase_ away from pending decides: exactly one caller becomes the first, and a caller that finds it
///     abandoned touches neither the loop nor the waiter.
/// F2  The outcome belongs to the claimer until it has told the loop, then to the loop's thread.
/// F3  `inbox_` is valid while the loop lists this bridge. A loop that lets go while phase_ is claimed keeps it alive for
///     the claimer, who may be inside push().
/// F4  waiter_, the timer and the canceller are touched on the loop's thread only, and gone once concluded_.
/// F5  frame_future_ is alive while it is referred to, be it from outside of the frame, and so long a holder (E1).
class COIR_EXPORT Bridge : public BridgeBase {
 public:
  Bridge(LoopCore& loop, const char* kind, Duration timeout, bool prefer_result, SourceLocation where);

  // Any thread.
  /// True: the caller stores an outcome and calls arrived(). False: it came too late, and is counted.
  bool claim() noexcept {
    Phase found = Phase::pending;
    if (phase_.compare_exchange_strong(found, Phase::claimed, std::memory_order_acq_rel, std::memory_order_acquire)) {
      return true;
    }
    count_stray(ending());
    return false;
  }
  /// The same inside of a call through the ticket: on the loop's thread at the price of leaving that.
  bool claim_in_call() noexcept {
    if (!on_loop_thread() || through() || !seal_ticket()) return claim();
    phase_.store(Phase::claimed, std::memory_order_relaxed);  // nobody else is left who may claim it
    return true;
  }
  void arrived() noexcept;
  void arrived(std::exception_ptr failure) noexcept {
    failure_ = std::move(failure);
    arrived();
  }
  void owner_gone() noexcept override;
  std::optional<Stray> ticket_ends() const noexcept override;
  Stray ending() const noexcept override;
  void mapper_threw(std::exception_ptr exception) noexcept override;

  // Loop's thread.
  bool stopping() const noexcept override { return asked_; }
  void loop_closes() noexcept override;
  /// A cancel() or the deadline. True: taken, be it that the wait has ended or that it goes on until the callback.
  bool stop_waiting(bool timed_out, std::string message) noexcept;
  /// For from_callback: whether the outcome is here already. On another thread it may have arrived only just; then the
  /// node in the inbox has nothing left to do.
  bool has_arrived() noexcept {
    if (phase_.load(std::memory_order_acquire) == Phase::settled) delivered_ = true;
    return delivered_;
  }
  bool has_failed() const noexcept { return failure_ != nullptr; }
  /// For from_callback, once done: a value is here, and to be returned even though the task was cancelled.
  bool preferred() const noexcept { return prefer_result_ && delivered_ && failure_ == nullptr; }
  /// ... and the cancellation is to come later.
  bool owes_cancellation() const noexcept { return preferred() && ending_ == Ending::cancelled; }
  const std::string& cancel_message() const noexcept { return rare_->cancel_message; }
  [[noreturn]] void throw_failure() { std::rethrow_exception(std::exchange(failure_, nullptr)); }
  /// Errors    std::bad_alloc; give_up() has been called
  void wait_with(BridgeFuture& waiter);
  /// Errors    std::bad_alloc, with a timeout; give_up() has been called
  FrameFuture& begin_wait();
  /// The frame of from_callback ends, however: nobody waits any more. True: the caller must destroy it.
  bool leave_frame() noexcept;
  /// For future_from_callback: the future takes the frame's place, which must not leave_frame() any more.
  void run_free() noexcept;

  void invoke() final;
  void drop() noexcept final;

 protected:
  ~Bridge();
  virtual void move_value_to(FutureState& waiter) = 0;
  virtual void drop_value() noexcept = 0;

 private:
  /// What only a deadline, a cancellation or a loop that lets go too early makes.
  struct Rare {
    TimerHandle timer;  // F4
    std::string cancel_message;
    std::shared_ptr<Inbox> inbox;  // F3
  };
  enum class Phase : std::uint8_t { pending, claimed, settled, abandoned, closed };
  enum class Ending : std::uint8_t { none, timed_out, cancelled };
  bool through() const noexcept { return phase_.load(std::memory_order_acquire) != Phase::pending; }
  static Stray ending_at(Phase phase) noexcept;
  void wait_until_deadline(BridgeFuture& waiter);
  void give_up(bool in_frame) noexcept;
  void let_fire() noexcept;
  void conclude() noexcept;
  void complete(BridgeFuture& waiter) noexcept;
  bool abandon(Cancel answer) noexcept;
  void detach() noexcept;
  std::exception_ptr timeout_error() const;
  Rare& rare() noexcept { return rare_ ? *rare_ : rare_.emplace(); }
  FrameFuture& frame_future() noexcept { return *std::launder(reinterpret_cast<FrameFuture*>(frame_future_)); }
  void end_frame_future() noexcept;

  std::atomic<Phase> phase_{Phase::pending};
  bool prefer_result_;
  // Loop's thread, down to inbox_.
  bool framed_ = true;             // a frame is a holder of the loop's side (E1); else the wait is, until conclude()
  bool delivered_ = false;         // the outcome is here
  bool concluded_ = false;         // nobody waits any more
  bool asked_ = false;             // the canceller has been called
  bool in_canceller_ = false;
  bool has_frame_future_ = false;  // the frame refers to it
  Ending ending_ = Ending::none;
  Duration timeout_;
  Ref<BridgeFuture> waiter_;  // F4
  std::optional<Rare> rare_;
  Inbox* const inbox_;          // F3
  std::exception_ptr failure_;  // F2
  alignas(FrameFuture) std::byte frame_future_[sizeof(FrameFuture)];  // F5
};

/// Ends the wait of from_callback when its frame is left.
template <class Of>
class BridgeFrame {
 public:
  explicit BridgeFrame(Of& bridge) noexcept : bridge_(bridge) {}
  BridgeFrame(const BridgeFrame&) = delete;
  BridgeFrame& operator=(const BridgeFrame&) = delete;
  ~BridgeFrame() {
    if (framed_ && bridge_.leave_frame()) bridge_.destroy();
  }
  void run_free() noexcept {
    framed_ = false;
    bridge_.run_free();
  }

  /// Inlined with the await, so that no `ret` more than necessary is executed behind the switch.
  [[gnu::always_inline]] void wait(TaskState& task) {
    if (!bridge_.has_arrived()) {
      FrameFuture& future = bridge_.begin_wait();
      try {
        suspend_until_done(future, task);
      } catch (const CancelledError& error) {
        if (!bridge_.preferred()) throw;
        return task.cancel_again(error.message());
      }
      if (bridge_.owes_cancellation()) [[unlikely]] task.cancel_again(bridge_.cancel_message());
      future.require_value();
    } else if (bridge_.has_failed()) {
      bridge_.throw_failure();
    }
  }

 private:
  Of& bridge_;
  bool framed_ = true;
};

/// What a callback with these results gives: nothing, the one value, or a tuple.
template <class... R>
struct BridgeResultOf {
  using type = std::tuple<R...>;
};
template <class R>
struct BridgeResultOf<R> {
  using type = R;
};
template <>
struct BridgeResultOf<> {
  using type = void;
};
template <class... R>
using BridgeResult = typename BridgeResultOf<R...>::type;

/// Adds room for the results.
template <class... R>
class BridgeOf final : public Bridge {
 public:
  using Result = BridgeResult<R...>;

  /// Inlined, so that options which are not given cost nothing.
  [[gnu::always_inline]] BridgeOf(LoopCore& loop, const char* kind, const BridgeOptions& options, SourceLocation where)
      : Bridge(loop, kind, options.timeout, options.prefer_result,
               options.where.file != nullptr ? options.where : where) {
    if (!options.name.empty()) copy_name(options.name);
  }

  /// By the claimer.
  void store(R... results) { values_.emplace(std::move(results)...); }
  /// By the waiter.
  Result take() {
    if constexpr (sizeof...(R) == 1) {
      return std::get<0>(std::move(*values_));
    } else if constexpr (sizeof...(R) > 1) {
      return std::move(*values_);
    }
  }
  void destroy() noexcept override { delete this; }

 private:
  ~BridgeOf() = default;
  void move_value_to(FutureState& waiter) override {
    if constexpr (sizeof...(R) == 0) {
      ValueAccess<void>::of(waiter).emplace();
    } else {
      ValueAccess<Result>::of(waiter).emplace(take());
    }
  }
  void drop_value() noexcept override { values_.reset(); }
  std::optional<std::tuple<R...>> values_;
};

}  // namespace detail
}  // namespace coir
