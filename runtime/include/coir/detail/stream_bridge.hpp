// SPDX-License-Identifier: MIT
// A callback that comes again and again, and the one task that takes what it brings.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include <coir/await.hpp>
#include <coir/detail/bridge_base.hpp>

namespace coir {

/// What happens to an item that comes while `capacity` of them wait.
enum class OverflowPolicy : std::uint8_t {
  drop_oldest,  ///< the one that has waited longest goes; counted in Stream::dropped()
  drop_newest,  ///< the new one goes; counted, too
  fail,         ///< the new one goes, and the stream ends with StreamOverflow behind those that wait
  pause,        ///< nothing is lost: the producer is told to stop, and to go on
};
inline constexpr OverflowPolicy drop_oldest = OverflowPolicy::drop_oldest;
inline constexpr OverflowPolicy drop_newest = OverflowPolicy::drop_newest;
inline constexpr OverflowPolicy fail = OverflowPolicy::fail;

/// Back-pressure: stop() when as many items wait as the capacity says, go() when half of them are left. Both are called
/// on the loop's thread, in turn. What the producer still emits until it has stopped is kept beyond the capacity.
struct pause {
  std::function<void()> stop;
  std::function<void()> go;
};

struct Overflow {
  Overflow(OverflowPolicy chosen) noexcept : policy(chosen) {}  // NOLINT(google-explicit-constructor)
  Overflow(pause hooks) : policy(OverflowPolicy::pause), stop(std::move(hooks.stop)), go(std::move(hooks.go)) {}
  OverflowPolicy policy;
  std::function<void()> stop;  // pause alone
  std::function<void()> go;
};

struct StreamOptions {
  /// How many items may wait. Errors: std::invalid_argument for 0.
  std::size_t capacity = 1024;
  Overflow overflow = OverflowPolicy::fail;
  /// For messages and pending_bridges(); copied.
  std::string_view name = {};
  /// For wrappers: their caller's place. None: that of the call.
  SourceLocation where = {};
};

namespace detail {

/// What a stream waits in: for an item, or for the producer's end.
class COIR_EXPORT StreamWait final : public FutureState {
 public:
  StreamWait(LoopCore& loop, SourceLocation where, bool deaf) noexcept : FutureState(loop, where), deaf_(deaf) {
    set_kind("stream_from_callback");
  }
  bool cancel(std::string message) override;
  std::optional<std::string> noted;  // the message of a cancel() that a deaf wait did not obey

 private:
  ~StreamWait() override = default;
  const bool deaf_;
};

/// The state between producers on any threads and one consumer on the loop's.
///
/// G1  `mutex_` guards the items and what is said to be under it; no code of the user's runs while it is held, but for
///     moves of items.
/// G2  posted_ is set while this node is in the inbox.
class COIR_EXPORT StreamBridge : public BridgeBase {
 public:
  StreamBridge(LoopCore& loop, StreamOptions&& options, SourceLocation where);

  // Any thread.
  void owner_gone() noexcept override;
  std::optional<Stray> ticket_ends() const noexcept override;
  Stray ending() const noexcept override;
  void mapper_threw(std::exception_ptr exception) noexcept override { end(std::move(exception)); }
  /// The producer's end, with or without a failure. False: it had ended before.
  bool end(std::exception_ptr failure) noexcept;

  // Loop's thread.
  bool stopping() const noexcept override { return closing_; }
  void loop_closes() noexcept override;
  /// Returns once there may be an item, or the end.
  void wait_for_item(std::unique_lock<std::mutex>& lock);
  void taken(std::size_t left) noexcept;
  void close() noexcept;
  std::uint64_t dropped() const noexcept;

  void invoke() final;
  void drop() noexcept final;

 protected:
  enum class Admission : std::uint8_t { take, replace_oldest, drop, refuse };
  ~StreamBridge();
  Admission admit(std::size_t waiting) noexcept;
  /// After a change, with the mutex given back: tells the consumer, or its loop.
  void changed(std::unique_lock<std::mutex> lock) noexcept;
  virtual void drop_items() noexcept = 0;
  virtual std::size_t item_count() const noexcept = 0;

  mutable std::mutex mutex_;
  bool ended_ = false;             // under mutex_: nothing is taken any more
  std::exception_ptr failure_;     // under mutex_

 private:
  void wake() noexcept;
  Stray ending_here() const noexcept;
  void pause_or_go(std::size_t waiting) noexcept;
  void wait_for_end();

  const std::size_t capacity_;
  std::uint64_t dropped_ = 0;      // under mutex_
  bool producer_ended_ = false;    // under mutex_: not set by an overflow
  bool waiting_ = false;           // under mutex_: the consumer wants to be told
  bool posted_ = false;            // G2; under mutex_
  bool abandoned_ = false;         // under mutex_: the consumer has gone
  bool loop_closed_ = false;       // under mutex_
  bool revoked_ = false;           // under mutex_
  Overflow overflow_;              // the hooks: loop's thread
  bool paused_ = false;            // loop's thread
  bool closing_ = false;           // loop's thread
  bool closed_ = false;            // loop's thread
  Ref<StreamWait> waiter_;         // loop's thread
  std::shared_ptr<Inbox> inbox_;
};

/// An item: the one value, a tuple of several, or nothing.
template <class... R>
struct StreamItemOf {
  using type = std::tuple<R...>;
};
template <class R>
struct StreamItemOf<R> {
  using type = R;
};
template <>
struct StreamItemOf<> {
  using type = std::monostate;
};
template <class... R>
using StreamItem = typename StreamItemOf<R...>::type;

template <class... R>
class StreamBridgeOf final : public StreamBridge {
 public:
  using Item = StreamItem<R...>;
  using StreamBridge::StreamBridge;

  bool emit(Item item) {
    std::optional<Item> victim;  // destroyed without the lock
    std::unique_lock lock(mutex_);
    switch (admit(items_.size())) {
      case Admission::refuse:
        lock.unlock();
        count_stray(ending());
        return false;
      case Admission::drop:
        changed(std::move(lock));
        return false;
      case Admission::replace_oldest:
        victim.emplace(std::move(items_.front()));
        items_.pop_front();
        [[fallthrough]];
      case Admission::take:
        items_.push_back(std::move(item));
    }
    changed(std::move(lock));
    return true;
  }
  std::optional<Item> next() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (!items_.empty()) {
        std::optional<Item> item(std::move(items_.front()));
        items_.pop_front();
        const std::size_t left = items_.size();
        lock.unlock();
        taken(left);
        return item;
      }
      if (ended_) {
        if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
        return std::nullopt;
      }
      wait_for_item(lock);
    }
  }
  void destroy() noexcept override { delete this; }

 private:
  ~StreamBridgeOf() = default;
  void drop_items() noexcept override {
    std::deque<Item> items;
    {
      const std::scoped_lock lock(mutex_);
      items.swap(items_);
    }
  }
  std::size_t item_count() const noexcept override { return items_.size(); }
  std::deque<Item> items_;  // under mutex_
};

}  // namespace detail
}  // namespace coir
