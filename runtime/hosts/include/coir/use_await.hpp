// SPDX-License-Identifier: MIT
// Boost.Asio's asynchronous operations, called by plain functions that wait.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/from_callback.hpp>

namespace coir {

/// A completion token for every asynchronous operation of Asio and of what is built on it:
///
///     std::size_t n = socket.async_read_some(buffer, coir::use_await);
///
/// Returns   What the handler would get: nothing, a value, or a tuple of several. A leading error_code or exception_ptr is
///           thrown, as boost::system::system_error or itself. use_await[ec] stores the code instead; as_tuple and
///           redirect_error compose.
/// Suspends  Until the handler has been called; not at all if that happens inside of the initiation.
/// Errors    those of the operation; BrokenCallback if the handler is destroyed uncalled, with its io_context; UsageError
///           outside a task
/// Cancel    The operation is asked to end, by its cancellation slot, on its executor, and the task waits until its handler
///           has been called, because buffers are on the task's stack: then CancelledError. An operation that succeeds all
///           the same returns its result, so that nothing read is lost, and CancelledError comes at the next await. An
///           operation that knows no cancellation runs to its end.
/// Threads   The io_context may run on the loop's thread (coir::hosts::Asio) or on others; the task stays where it is.
///           An operation is cancelled on its executor: that of its initiation, or of the first argument of that which
///           has one, as Beast's. One of your own that has neither is cancelled on the loop's thread.
/// Cost      that of from_callback(), and one allocation for the cancellation signal
class use_await_t {
 public:
  constexpr use_await_t() = default;

  /// Asks for this kind of cancellation, by default terminal, which every operation knows, and after which the stream may
  /// be in the middle of a message. With `total` the operation either has not happened, or succeeds.
  constexpr use_await_t cancel_type(boost::asio::cancellation_type type) const noexcept {
    use_await_t token;
    token.type_ = type;
    return token;
  }
  constexpr boost::asio::cancellation_type cancel_type() const noexcept { return type_; }

  auto operator[](boost::system::error_code& error) const { return boost::asio::redirect_error(*this, error); }

  template <class Executor>
  struct executor_with_default : Executor {
    using default_completion_token_type = use_await_t;
    template <class Other>
      requires(!std::is_same_v<std::decay_t<Other>, executor_with_default> &&
               std::is_convertible_v<Other, Executor>)
    executor_with_default(const Other& other) noexcept : Executor(other) {}  // as converting constructors of executors are
  };
  /// `use_await_t::as_default_on_t<tcp::socket>` is a socket whose operations need no token: socket.async_read_some(buffer)
  template <class Object>
  using as_default_on_t = typename Object::template rebind_executor<
      executor_with_default<typename Object::executor_type>>::other;
  template <class Object>
  static auto as_default_on(Object&& object) {
    return as_default_on_t<std::decay_t<Object>>(std::forward<Object>(object));
  }

 private:
  boost::asio::cancellation_type type_ = boost::asio::cancellation_type::terminal;
};

inline constexpr use_await_t use_await;

namespace detail {

/// The handler of an operation with these arguments. Move-only, callable on any thread.
template <class Done, class... Args>
class AsioHandler {
 public:
  using cancellation_slot_type = boost::asio::cancellation_slot;

  AsioHandler(Done done, std::shared_ptr<boost::asio::cancellation_signal> signal) noexcept
      : done_(std::move(done)), signal_(std::move(signal)) {}

  cancellation_slot_type get_cancellation_slot() const noexcept { return signal_->slot(); }
  void operator()(Args... args) { call(std::move(args)...); }

 private:
  template <class... Rest>
  void call(boost::system::error_code error, Rest... rest) {
    if (error) {
      done_.fail(boost::system::system_error(error));
    } else {
      done_(std::move(rest)...);
    }
  }
  template <class... Rest>
  void call(std::exception_ptr exception, Rest... rest) {
    if (exception) {
      done_.fail(std::move(exception));
    } else {
      done_(std::move(rest)...);
    }
  }
  template <class... All>
  void call(All... all) {
    done_(std::move(all)...);
  }

  Done done_;
  std::shared_ptr<boost::asio::cancellation_signal> signal_;  // the operation's slot is valid as long as its handler
};

/// What is left of a signature when its disposition is thrown.
template <class... Args>
struct AsioResult {
  using list = std::tuple<Args...>;
};
template <class... Args>
struct AsioResult<boost::system::error_code, Args...> {
  using list = std::tuple<Args...>;
};
template <class... Args>
struct AsioResult<std::exception_ptr, Args...> {
  using list = std::tuple<Args...>;
};

template <class T>
concept HasExecutor = requires(T& object) { object.get_executor(); };
template <class T>
concept PointsToExecutor = requires(T& object) { (*object).get_executor(); };

struct NoExecutor {};
/// Where an operation runs: what the first of these says, the initiation itself and then its arguments. Beast passes
/// the stream, or a pointer to it.
constexpr NoExecutor executor_of() noexcept { return {}; }
template <class First, class... Rest>
auto executor_of(First& first, Rest&... rest) {
  if constexpr (HasExecutor<First>) {
    return first.get_executor();
  } else if constexpr (PointsToExecutor<First>) {
    return (*first).get_executor();
  } else {
    return executor_of(rest...);
  }
}

/// What emits the signal: on the operation's executor, if it is known.
template <class Executor>
struct AsioCanceller {
  Cancel operator()() const {
    if constexpr (std::is_same_v<Executor, NoExecutor>) {
      signal->emit(type);
    } else {
      boost::asio::dispatch(executor, [signal = signal, type = type] { signal->emit(type); });
    }
    return Cancel::will_fire;
  }
  std::shared_ptr<boost::asio::cancellation_signal> signal;
  boost::asio::cancellation_type type;
  [[no_unique_address]] Executor executor;
};

template <class List, class... Args>
struct AsioAwait;
template <class... R, class... Args>
struct AsioAwait<std::tuple<R...>, Args...> {
  using type = BridgeResult<R...>;
  template <class Initiation, class... InitArgs>
  static type run(use_await_t token, Initiation&& initiation, InitArgs&&... init_args) {
    using boost::asio::cancellation_signal;
    return from_callback<R...>(
        [&](auto done) {
          const auto signal = std::make_shared<cancellation_signal>();
          const auto executor = executor_of(initiation, init_args...);
          AsioCanceller<std::decay_t<decltype(executor)>> canceller{signal, token.cancel_type(), executor};
          std::forward<Initiation>(initiation)(AsioHandler<decltype(done), Args...>(std::move(done), signal),
                                               std::forward<InitArgs>(init_args)...);
          return canceller;
        },
        {.prefer_result = true, .name = "asio operation"});
  }
};

}  // namespace detail
}  // namespace coir

template <class R, class... Args>
class boost::asio::async_result<coir::use_await_t, R(Args...)> {
  using Await = coir::detail::AsioAwait<typename coir::detail::AsioResult<std::decay_t<Args>...>::list,
                                        std::decay_t<Args>...>;

 public:
  using return_type = typename Await::type;  // redirect_error and the like ask for it
  template <class Initiation, class... InitArgs>
  static return_type initiate(Initiation&& initiation, coir::use_await_t token, InitArgs&&... init_args) {
    return Await::run(token, std::forward<Initiation>(initiation), std::forward<InitArgs>(init_args)...);
  }
};
