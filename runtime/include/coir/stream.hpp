// SPDX-License-Identifier: MIT
// A callback that comes many times, as something to loop over.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <coir/detail/stream_bridge.hpp>
#include <coir/from_callback.hpp>

namespace coir {

/// The producer's end of a Stream: call it with an item, close() it, or fail() it.
///
/// Each item is taken or, under the stream's policy, dropped; none is taken twice. Destroying it ends the stream, as
/// does close(). What is emitted behind the end, or when the consumer has gone, is destroyed and counted
/// (bridge_stats()).
///
/// Threads   Any; calls at the same time are fine: the order of the items of each thread is kept.
/// Lifetime  May outlive the stream, the task and the loop.
/// Suspends  never
/// Cost      An uncontended mutex; from another thread, and if the consumer waits, a post to its loop.
template <class... R>
class [[nodiscard]] Emitter {
 public:
  explicit Emitter(detail::StreamBridgeOf<R...>& bridge) noexcept : bridge_(&bridge), is_view_(false) {}
  Emitter(Emitter&& other) noexcept : bridge_(std::exchange(other.bridge_, nullptr)), is_view_(false) {
    if (other.is_view_ && bridge_ != nullptr) bridge_->HandleNode::retain();
  }
  Emitter& operator=(Emitter&& other) noexcept {
    Emitter taken(std::move(other));
    std::swap(bridge_, taken.bridge_);
    std::swap(is_view_, taken.is_view_);
    return *this;
  }
  ~Emitter() {
    if (bridge_ != nullptr && !is_view_) bridge_->owner_gone();
  }

  /// True: the item waits for the consumer, or is his.
  bool operator()(R... item) const {
    return bridge().emit(detail::StreamItem<R...>{std::move(item)...});
  }
  /// Behind the items that wait, next() returns nothing. False: the stream had ended before.
  bool close() const { return bridge().end(nullptr); }
  /// Behind the items that wait, next() throws it, once.
  bool fail(std::error_code code) const { return bridge().end(detail::failure_of(code)); }
  bool fail(std::exception_ptr exception) const { return bridge().end(detail::failure_of(std::move(exception))); }
  template <class E>
    requires(!std::convertible_to<E, std::exception_ptr> && !std::convertible_to<E, std::error_code>)
  bool fail(E exception) const {
    return bridge().end(std::make_exception_ptr(std::move(exception)));
  }

  /// As Completion::c(), for a function that is called any number of times. What the mapper throws ends the stream.
  template <class Signature, std::size_t UserData = detail::last_void_pointer<Signature>, class Mapper>
  CCallback<typename detail::SignatureOf<Signature>::function> c(Mapper&& mapper) && {
    const auto callback = detail::make_c_callback<Emitter, Signature, UserData>(bridge(), std::forward<Mapper>(mapper));
    bridge_ = nullptr;
    return callback;
  }
  template <class Signature, std::size_t UserData = detail::last_void_pointer<Signature>, class Mapper>
  CCallback<typename detail::SignatureOf<Signature>::function> c(Mapper&&) const& {
    static_assert(detail::never<Mapper>, "c() uses the emitter up: write std::move(emit).template c<signature>(mapper)");
    return {};
  }
  /// As Completion::keep(): until the producer has ended or the canceller said `stopped`.
  template <class T, class... Args>
  T& keep(Args&&... args) const {
    auto* kept = new detail::KeptOf<T>(std::forward<Args>(args)...);
    bridge().keep(*kept);
    return kept->value;
  }
  std::shared_ptr<Emitter> shared() && { return std::make_shared<Emitter>(std::move(*this)); }
  template <class... None>
  std::shared_ptr<Emitter> shared() const& {
    static_assert(detail::never<None...>, "shared() uses the emitter up: write std::move(emit).shared()");
    return {};
  }

  static Emitter view_of(detail::BridgeBase& bridge) noexcept {
    return Emitter(static_cast<detail::StreamBridgeOf<R...>*>(&bridge));
  }
  bool owns_nothing() const noexcept { return bridge_ == nullptr; }

 private:
  explicit Emitter(detail::StreamBridgeOf<R...>* view) noexcept : bridge_(view), is_view_(true) {}
  detail::StreamBridgeOf<R...>& bridge() const {
    if (bridge_ == nullptr) [[unlikely]] detail::throw_empty_completion();
    return *bridge_;
  }
  detail::StreamBridgeOf<R...>* bridge_;  // null: moved from
  bool is_view_;                          // the ticket is the owner, for the time of a call
};

/// The consumer's end: the items in the order in which they came.
///
///     Stream<Msg> messages = stream_from_callback<Msg>(...);
///     while (auto message = messages.next()) handle(*message);
///
/// Threads   The loop's; one task at a time.
/// Lifetime  Closed when destroyed, at the latest.
template <class... R>
class [[nodiscard]] Stream {
 public:
  using Item = detail::StreamItem<R...>;  // the value, a tuple of several, std::monostate for none

  /// For stream_from_callback(): takes the loop's reference over.
  explicit Stream(detail::StreamBridgeOf<R...>& bridge) noexcept : bridge_(&bridge) {}
  Stream(Stream&& other) noexcept : bridge_(std::exchange(other.bridge_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    Stream taken(std::move(other));
    std::swap(bridge_, taken.bridge_);
    return *this;
  }
  ~Stream() {
    if (bridge_ == nullptr) return;
    bridge_->close();
    bridge_->loop_lets_go();
  }

  /// The next item; nothing once the producer has ended and all items have been taken, or after close().
  ///
  /// Suspends  exactly if no item waits and the producer has not ended
  /// Errors    What the producer failed with, once, behind the last item; StreamOverflow. UsageError outside a task, or
  ///           (stream_in_use) if another task waits in it.
  /// Cancel    CancelledError; no item is lost, the stream goes on.
  std::optional<Item> next() {
    detail::require_task("Stream::next()");
    if (bridge_ == nullptr) [[unlikely]] detail::throw_empty_completion();
    return bridge_->next();
  }
  /// Asks the canceller to stop the producer; the items that wait are destroyed. Idempotent.
  ///
  /// Suspends  If the canceller answers will_fire: until the producer has ended (close(), fail(), or its destruction);
  ///           not in a callback. A cancellation meanwhile takes effect at the task's next await.
  void close() noexcept {
    if (bridge_ != nullptr) bridge_->close();
  }
  /// Items that found no room.
  std::uint64_t dropped() const noexcept { return bridge_ != nullptr ? bridge_->dropped() : 0; }

 private:
  detail::StreamBridgeOf<R...>* bridge_;  // null: moved from
};

/// Starts something that calls back many times. init(Emitter<R...> emit) runs at once, and may return a canceller,
/// which is called when the stream is closed: it unsubscribes.
///
///     auto messages = stream_from_callback<Msg>([&](auto emit) {
///       auto cb = std::move(emit).template c<void(lib_msg*, void*)>(
///           [](auto& e, lib_msg* m) { e(Msg::take(m)); });
///       lib_subscribe(topic, cb.fn, cb.ud);
///       return [=] { lib_unsubscribe(topic); return Cancel::stopped; };
///     }, {.capacity = 1024, .overflow = drop_oldest});
///
/// If the canceller does not say `stopped`, the mapper is still called for what comes late, and takes and destroys it.
///
/// Suspends  never
/// Errors    What init throws; std::invalid_argument for a capacity of 0; UsageError where no loop runs
/// Cost      One allocation, and a queue of the items.
template <class... R, class Init>
Stream<R...> stream_from_callback(Init&& init, StreamOptions options = {},
                                  SourceLocation where = SourceLocation::current()) {
  detail::require_owned<R...>();
  detail::LoopCore& loop = detail::require_running_loop("stream_from_callback()");
  if (options.capacity == 0) throw std::invalid_argument("stream_from_callback(): a capacity of 0 has room for nothing");
  auto* bridge = new detail::StreamBridgeOf<R...>(loop, std::move(options), where);
  Stream<R...> stream(*bridge);
  detail::initiate(*bridge, std::forward<Init>(init), Emitter<R...>(*bridge));
  return stream;
}

}  // namespace coir
