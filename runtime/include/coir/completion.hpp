// SPDX-License-Identifier: MIT
// The end of a wait that foreign code may hold: callable from any thread, once, late, or never.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/detail/bridge.hpp>
#include <coir/detail/c_callback.hpp>

namespace coir {

/// Says that a result which does not own its data is meant: whoever receives it knows how long it stays valid.
///
///     from_callback<borrowed<const Config*>>(...)        // the library keeps its configuration for ever
template <class T>
struct borrowed {
  T value;
  operator const T&() const noexcept { return value; }
};

/// Whether a result stays valid when the callback that brought it has returned, as far as its type tells: false for
/// references, pointers to objects, string_view, span, initializer_list and reference_wrapper, and for containers,
/// tuples and pairs of those. The arguments of a C callback are nearly always valid during the call only: copy them in
/// the mapper.
template <class T>
inline constexpr bool owns_its_data = !std::is_reference_v<T> && !std::is_array_v<T> &&
                                      (!std::is_pointer_v<T> || std::is_function_v<std::remove_pointer_t<T>>);
template <class T>
  requires std::is_const_v<T>
inline constexpr bool owns_its_data<T> = owns_its_data<std::remove_const_t<T>>;
template <class T>
inline constexpr bool owns_its_data<borrowed<T>> = true;
template <class C, class Traits>
inline constexpr bool owns_its_data<std::basic_string_view<C, Traits>> = false;
template <class T, std::size_t N>
inline constexpr bool owns_its_data<std::span<T, N>> = false;
template <class T>
inline constexpr bool owns_its_data<std::initializer_list<T>> = false;
template <class T>
inline constexpr bool owns_its_data<std::reference_wrapper<T>> = false;
template <class T>
  requires(!std::is_const_v<T> && requires {
    typename T::value_type;
    typename T::allocator_type;
  })
inline constexpr bool owns_its_data<T> = owns_its_data<typename T::value_type>;
template <class... T>
inline constexpr bool owns_its_data<std::tuple<T...>> = (owns_its_data<T> && ...);
template <class A, class B>
inline constexpr bool owns_its_data<std::pair<A, B>> = owns_its_data<A> && owns_its_data<B>;
template <class T>
inline constexpr bool owns_its_data<std::optional<T>> = owns_its_data<T>;

namespace detail {

template <class... R>
constexpr void require_owned() {
  static_assert((owns_its_data<R> && ...),
                "a result of a callback must own its data: what the callback's arguments point to is gone when it "
                "returns. Copy it in the mapper (std::string, std::vector), or say borrowed<T> if it lives long enough");
}

/// For overloads that are there to say why they are the wrong ones.
template <class... Anything>
inline constexpr bool never = false;

COIR_EXPORT std::exception_ptr failure_of(std::error_code code);
COIR_EXPORT std::exception_ptr failure_of(std::exception_ptr exception);
[[noreturn]] COIR_EXPORT void throw_empty_completion();

}  // namespace detail

/// Ends one wait, of from_callback() or future_from_callback(): call it with the results, or fail() it.
///
///     from_callback<int>([](auto done) { legacy_ask([done = std::move(done).shared()](int n) { (*done)(n); }); });
///
/// O1  The first call wins, whichever thread makes it; each further one is counted (bridge_stats()) and its arguments
///     are destroyed. So is one that comes after the wait was given up, or after the loop was closed.
/// O2  The waiter goes on in a later turn of its loop, never inside of the call.
/// O3  Destroyed without a call, while somebody waits, it fails with BrokenCallback.
///
/// Threads   Any; calls at the same time are fine. Moving and destroying it is for whoever owns it.
/// Lifetime  May outlive the wait, the task and the loop.
/// Suspends  never
/// Cost      On the loop's thread a compare-and-swap; elsewhere that of call_soon_threadsafe(), without an allocation.
template <class... R>
class [[nodiscard]] Completion {
 public:
  /// For from_callback(): takes the owner's reference over.
  explicit Completion(detail::BridgeOf<R...>& bridge) noexcept : bridge_(&bridge), is_view_(false) {}
  Completion(Completion&& other) noexcept : bridge_(std::exchange(other.bridge_, nullptr)), is_view_(false) {
    // A mapper takes the completion along: from here on the ticket is not its owner.
    if (other.is_view_ && bridge_ != nullptr) bridge_->HandleNode::retain();
  }
  Completion& operator=(Completion&& other) noexcept {
    Completion taken(std::move(other));
    std::swap(bridge_, taken.bridge_);
    std::swap(is_view_, taken.is_view_);
    return *this;
  }
  ~Completion() {
    if (bridge_ != nullptr && !is_view_) bridge_->owner_gone();
  }

  /// True: it was the first call, and in time.
  bool operator()(R... results) const {
    if (!claim()) return false;
    try {
      bridge_->store(std::move(results)...);
    } catch (...) {
      bridge_->arrived(std::current_exception());
      return true;
    }
    bridge_->arrived();
    return true;
  }
  /// The wait throws std::system_error, or that exception; an object is thrown by value.
  bool fail(std::error_code code) const { return settle(code); }
  bool fail(std::exception_ptr exception) const { return settle(std::move(exception)); }
  template <class E>
    requires(!std::convertible_to<E, std::exception_ptr> && !std::convertible_to<E, std::error_code>)
  bool fail(E exception) const {
    return settle(std::make_exception_ptr(std::move(exception)));
  }

  /// A C function and its user data for one call of an API:
  ///
  ///     auto cb = std::move(done).template c<void(int status, const char* text, void* user)>(
  ///         [](auto& d, int status, const char* text) { status == 0 ? d(text) : d.fail(error_of(status)); });
  ///     ask(cb.fn, cb.ud);
  ///
  /// The mapper gets this completion and the arguments without the user data, on the thread and the stack of the
  /// caller. It copies what is valid during the call only. What it throws is the failure; nothing gets past it to the C
  /// caller, which gets Result() for a function that returns something, as does a call that nobody expected. A mapper
  /// that does not complete it lets the API call again (progress); one may also move the completion away, to complete
  /// it later.
  ///
  /// The user data is the last void* of the signature; another parameter is chosen by its index: c<Sig, 0>(mapper). It
  /// is a number, not a pointer: an API that calls twice, or late, or another function with it, finds nothing and does
  /// no harm.
  template <class Signature, std::size_t UserData = detail::last_void_pointer<Signature>, class Mapper>
  CCallback<typename detail::SignatureOf<Signature>::function> c(Mapper&& mapper) && {
    const auto callback =
        detail::make_c_callback<Completion, Signature, UserData>(bridge(), std::forward<Mapper>(mapper));
    bridge_ = nullptr;
    return callback;
  }
  template <class Signature, std::size_t UserData = detail::last_void_pointer<Signature>, class Mapper>
  CCallback<typename detail::SignatureOf<Signature>::function> c(Mapper&&) const& {
    static_assert(detail::never<Mapper>,
                  "c() uses the completion up: write std::move(done).template c<signature>(mapper)");
    return {};
  }

  /// Makes a T(args...), or T{args...}, that lives until the callback has come or the canceller said `stopped`:
  /// requests, replies and buffers that the library uses meanwhile, even if nobody waits any more. If neither happens
  /// it is kept (pending_bridges() says so). Inside the initiating call only.
  /// Lifetime  destroyed on the thread of whoever lets go last
  template <class T, class... Args>
  T& keep(Args&&... args) const {
    auto* kept = new detail::KeptOf<T>(std::forward<Args>(args)...);
    bridge().keep(*kept);
    return kept->value;
  }

  /// For APIs that copy their callbacks (std::function). When the last copy goes without a call: O3.
  std::shared_ptr<Completion> shared() && { return std::make_shared<Completion>(std::move(*this)); }
  template <class... None>
  std::shared_ptr<Completion> shared() const& {
    static_assert(detail::never<None...>, "shared() uses the completion up: write std::move(done).shared()");
    return {};
  }

  static Completion view_of(detail::BridgeBase& bridge) noexcept {
    return Completion(static_cast<detail::BridgeOf<R...>*>(&bridge));
  }
  bool owns_nothing() const noexcept { return bridge_ == nullptr; }

 private:
  explicit Completion(detail::BridgeOf<R...>* view) noexcept : bridge_(view), is_view_(true) {}
  bool claim() const { return is_view_ ? bridge().claim_in_call() : bridge().claim(); }
  template <class Failure>
  bool settle(Failure failure) const {
    if (!claim()) return false;
    bridge_->arrived(detail::failure_of(std::move(failure)));
    return true;
  }
  detail::BridgeOf<R...>& bridge() const {
    if (bridge_ == nullptr) [[unlikely]] detail::throw_empty_completion();
    return *bridge_;
  }

  detail::BridgeOf<R...>* bridge_;  // null: moved from
  bool is_view_;                    // the ticket is the owner, for the time of a call
};
}  // namespace coir
