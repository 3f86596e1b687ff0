// SPDX-License-Identifier: MIT
// One callback that foreign code owes us, without the type of what it brings.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <coir/bridges.hpp>
#include <coir/clock.hpp>
#include <coir/detail/handle_node.hpp>
#include <coir/detail/loop_head.hpp>
#include <coir/detail/recycler.hpp>

namespace coir {

/// What a canceller answers: will the callback still come?
enum class Cancel : std::uint8_t {
  stopped,    ///< it will not, and the library has let go of every pointer: the wait ends, memory is freed
  will_fire,  ///< it will, with whatever status: the wait goes on until then
  refused,    ///< it may, whenever it likes: the wait ends, memory that the library may use stays
};

namespace detail {

class Inbox;
struct TicketPlace;

/// Something of unknown type that a bridge keeps and destroys: what keep() made, and the mapper.
struct COIR_EXPORT Kept : Recycled {
  Kept() noexcept = default;
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  virtual ~Kept();
  Kept* next = nullptr;
};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"  // an aggregate whose rest the library fills in
template <class T>
struct KeptOf final : Kept {
  template <class... Args>
  explicit KeptOf(Args&&... args) : value(make(std::forward<Args>(args)...)) {}
  template <class... Args>
  static T make(Args&&... args) {
    if constexpr (std::is_constructible_v<T, Args...>) {
      return T(std::forward<Args>(args)...);
    } else {
      return T{std::forward<Args>(args)...};
    }
  }
  T value;
};
#pragma GCC diagnostic pop

/// A canceller of any type, made by the initiating call: there is memory for it before that call is made, so that what
/// the API was asked to do can be cancelled. Returning nothing means that it does not know.
struct COIR_EXPORT Canceller : Recycled {
  Canceller() noexcept = default;
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;
  virtual ~Canceller();
  virtual Cancel call() = 0;
};
template <class Fn>
struct CancellerOf final : Canceller {
  template <class Init, class Owner>
  CancellerOf(Init&& init, Owner&& owner) : fn(std::invoke(std::forward<Init>(init), std::forward<Owner>(owner))) {}
  Cancel call() override {
    if constexpr (std::is_void_v<std::invoke_result_t<Fn&>>) {
      fn();
      return Cancel::refused;
    } else {
      return fn();
    }
  }
  Fn fn;
};

/// What the foreign side holds instead of a pointer: a place in a table, and how often that place had been used. Zero
/// is none.
using TicketId = std::uintptr_t;
enum class TicketEnd : std::uint8_t {
  none,    // there was no ticket, or it has been used up
  killed,  // nobody was inside of a call
  in_use,  // whoever is, cleans up behind it
};

/// What Completion and Emitter share: who keeps it alive, what it keeps alive, its ticket, its place in the lists.
///
/// E1  Counted atomically (HandleNode's count of `shared` nodes): one reference of the loop's side, one of the owner on
///     the foreign side (a Completion, an Emitter, or the ticket), one of the inbox while posted. The loop's side counts
///     its holders in loop_holders_, on its thread, and gives its one reference back with the last.
/// E2  A bridge is in its loop's list while something on that loop waits for it, then in the list of the abandoned
///     while the foreign side still owns it and may call, or in none.
/// E3  Whatever belongs to the loop's thread has been taken out when the loop's side lets go: the last reference may go
///     on any thread. Only what keep() made, the mapper and an outcome that nobody wanted are destroyed there.
class COIR_EXPORT BridgeBase : public HandleNode {
 public:
  BridgeBase(LoopCore& loop, const char* kind, std::string_view given_name, SourceLocation where);

  /// Gives a reference back that is not the loop's side's. Cheaper than release() for the last one, and on the loop's
  /// thread for the last but one, if the other is the loop's side's: then no other thread can change the count.
  void let_go() noexcept {
    if (was_last()) destroy();
  }
  /// Loop's thread: one holder more on the loop's side, and one less.
  void loop_holds() noexcept { ++loop_holders_; }
  void loop_lets_go() noexcept {
    if (loop_was_last()) destroy();
  }
  /// The same, but for destroying it, which is the caller's.
  bool loop_was_last() noexcept { return --loop_holders_ == 0 && was_last(); }
  /// Any thread: the owner on the foreign side, which is not a ticket, goes.
  virtual void owner_gone() noexcept = 0;
  /// Any thread: if no further call is expected, what one would be.
  virtual std::optional<Stray> ticket_ends() const noexcept = 0;
  /// Any thread: what a call is that is not accepted.
  virtual Stray ending() const noexcept = 0;
  /// Loop's thread: cancelled, but waiting for the callback.
  virtual bool stopping() const noexcept = 0;
  /// Any thread: a mapper let this out.
  virtual void mapper_threw(std::exception_ptr exception) noexcept = 0;
  /// The loop closes. On its thread.
  virtual void loop_closes() noexcept = 0;

  void keep(Kept& object) noexcept {
    object.next = kept_;
    kept_ = &object;
  }
  void set_canceller(std::unique_ptr<Canceller> canceller) noexcept { canceller_ = std::move(canceller); }
  /// Turns the owner's reference into a ticket; `tag` names the function that may redeem it. Takes the mapper over.
  /// Errors    std::bad_alloc, std::length_error: the reference and the mapper are still the caller's
  void* make_ticket(const void* tag, Kept* mapper);
  /// Null: it has no state, or there is no ticket.
  Kept* mapper() const noexcept { return mapper_; }

  const char* kind() const noexcept { return HandleNode::name; }
  PendingBridge info(LoopCore* of) const;
  /// "from_callback 'dns' at resolve.cpp:12"
  std::string text() const;
  BridgeBase* older() const noexcept { return older_; }

  /// Counts a call that nobody expected, and logs it now and then.
  void count_stray(Stray kind) const noexcept;

 protected:
  ~BridgeBase();
  /// For constructors. Errors: std::bad_alloc; the loop does not know it any more.
  void copy_name(std::string_view given);
  bool on_loop_thread() const noexcept { return running_loop == loop_; }
  LoopCore& loop() const noexcept { return *loop_; }
  bool in_loop() const noexcept { return listed_ == List::loop; }
  /// Takes it out of the loop's list, if it is there. On the loop's thread.
  void leave_loop() noexcept;
  /// E2: from its loop's list to that of the abandoned.
  void list_abandoned() noexcept;
  Cancel ask_canceller() noexcept;
  void drop_canceller() noexcept { canceller_.reset(); }
  /// Inside of a call through the ticket. True: none other is under way, and no further one gets in.
  bool seal_ticket() noexcept;
  /// No call gets in any more. The owner's reference goes with the ticket, or, if it is in_use, behind the call.
  TicketEnd revoke_ticket(Stray ended = Stray::late) noexcept;
  void drop_kept() noexcept;

 private:
  friend class BridgeLists;
  enum class List : std::uint8_t { none, loop, abandoned };
  static constexpr TimePoint not_stamped = TimePoint::min();
  bool was_last() noexcept {
    const std::atomic_ref count(refs);
    const std::uint32_t before = count.load(std::memory_order_acquire);
    if (before == 1) return true;
    if (before != 2 || !on_loop_thread() || loop_holders_ == 0) {
      return count.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
    count.store(1, std::memory_order_release);
    return false;
  }
  Duration age() const noexcept;

  LoopCore* const loop_;          // not to be looked into unless in_loop()
  TimePoint created_ = not_stamped;  // by the loop's clock; by the steady one if abandoned
  BridgeBase* newer_ = nullptr;   // E2
  BridgeBase* older_ = nullptr;
  Kept* kept_ = nullptr;          // newest first; the mapper, too
  Kept* mapper_ = nullptr;
  std::unique_ptr<Canceller> canceller_;
  TicketId ticket_ = 0;           // that was made; it may have been used up
  TicketPlace* place_ = nullptr;  // its place, if one was made
  std::unique_ptr<const std::string> given_name_;  // null: none
  List listed_ = List::none;
  std::uint8_t loop_holders_ = 1;  // E1
};

/// A call through a ticket: keeps the bridge alive meanwhile.
class COIR_EXPORT TicketUse {
 public:
  /// Counts a stray if the ticket is not valid, or not for `tag`.
  TicketUse(TicketId ticket, const void* tag) noexcept;
  ~TicketUse();
  TicketUse(const TicketUse&) = delete;
  TicketUse& operator=(const TicketUse&) = delete;
  /// Null: the call must do nothing.
  BridgeBase* bridge() const noexcept { return bridge_; }
  /// The owner has moved elsewhere: the ticket ends here.
  void retire() noexcept { retire_ = true; }

 private:
  TicketPlace* place_;  // null: not valid
  BridgeBase* bridge_;
  bool retire_ = false;
};

}  // namespace detail
}  // namespace coir
