// SPDX-License-Identifier: MIT
// The future that gather() returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <coir/future.hpp>
#include <coir/outcome.hpp>

namespace coir::detail {

class GatherFuture;

/// What the children of a gather hold on to: their callbacks, in one block, and the way to the gather.
///
/// A1  Forgets the gather when that dies: a gather that nobody holds does not keep its children, nor they it; unless it
///     has callbacks: then `kept` keeps it until it is done.
/// A2  Counted by the gather and by each callback that has not run.
class COIR_EXPORT GatherLink {
 public:
  /// Registers with the children that are not done, once with each. Before the gather exists, as asyncio does.
  /// Errors    std::invalid_argument if they belong to different loops; std::bad_alloc; as add_done_callback()
  static Ref<GatherLink> create(const std::vector<AnyFuture>& children);
  void retain() noexcept { ++refs_; }
  void release() noexcept;
  /// How many were. Only before the first of them has reported.
  std::size_t registered() const noexcept { return refs_ - 1; }
  /// Whether the child at this index was pending, and given here for the first time.
  bool registered(std::size_t index) const noexcept;

  GatherFuture* gather = nullptr;
  bool over = false;  // the gather was done when it died
  Ref<FutureState> kept = {};

 private:
  struct Callback;
  explicit GatherLink(std::size_t count) noexcept : count_(count) {}
  ~GatherLink() = default;
  Callback* callbacks() const noexcept;

  std::uint32_t refs_ = 1;
  const std::size_t count_;  // of the callbacks that follow
};

/// The untyped half: counts children, passes cancellation on.
///
/// A3  left_ children have not reported yet; when it gets to zero the results are collected, once.
///
/// Source    CPython 3.13 tasks.py gather, _GatheringFuture
class COIR_EXPORT GatherFuture : public FutureState {
 public:
  /// Counts the children that were done from the start.
  void begin();
  void child_done(FutureState& child, bool in_callback);
  /// The same for one that has a value and is not the last, where counting is all there is to do. False: it is not one.
  bool counts_down_for(const FutureState& child) noexcept {
    if (left_ <= 1 || done() || child.cancelled() || child.failed()) return false;
    --left_;
    return true;
  }
  bool cancel(std::string message) override;
  void each_awaited(const AwaitedVisitor& visit) const override;

 protected:
  GatherFuture(LoopCore& loop, SourceLocation where, bool return_exceptions, std::vector<AnyFuture> children,
               Ref<GatherLink> link);
  ~GatherFuture() override;

  /// Stores the results and finishes. `reporting` is the child whose callback runs; null if none does.
  virtual void collect(const FutureState* reporting) = 0;
  /// Whether nobody but this gather can still ask for the child's value, so that it may be moved.
  bool sole_owner(std::size_t child, const FutureState* reporting) const noexcept;

  template <class T>
  Stored<T> take(std::size_t child, const FutureState* reporting) {
    FutureState& state = children_[child].state();
    if constexpr (std::is_void_v<T>) {
      state.require_value();
      return {};
    } else if constexpr (std::is_reference_v<T>) {
      return &take_value<T>(state, false);
    } else {
      return take_value<T>(state, sole_owner(child, reporting));
    }
  }
  template <bool return_exceptions, class T>
  std::conditional_t<return_exceptions, Outcome<T>, Stored<T>> gathered(std::size_t child,
                                                                        const FutureState* reporting) {
    if constexpr (return_exceptions) {
      FutureState& state = children_[child].state();
      if (state.cancelled() || state.failed()) return Outcome<T>(state.reason());
      return Outcome<T>(std::in_place, take<T>(child, reporting));
    } else {
      return take<T>(child, reporting);
    }
  }

  std::size_t size() const noexcept { return children_.size(); }

  const bool return_exceptions_;

 private:
  bool kept_by_source() noexcept override;

  std::vector<AnyFuture> children_;  // as passed
  Ref<GatherLink> link_;
  std::size_t left_ = 0;             // A3
  bool cancel_requested_ = false;
};

/// Registers with the children, then makes the future: a G is a GatherTuple or a GatherVector.
template <class G>
Future<typename G::Result> make_gather(LoopCore& loop, SourceLocation where, std::vector<AnyFuture> children) {
  auto link = GatherLink::create(children);
  auto* gather = new G(loop, where, G::with_exceptions, std::move(children), std::move(link));
  auto state = Ref<FutureState>::adopt(gather);
  gather->begin();
  return Future<typename G::Result>(std::move(state));
}

/// What one child contributes.
template <bool return_exceptions, class T>
using Gathered = std::conditional_t<return_exceptions, Outcome<T>, Stored<T>>;

/// gather(a, b, ...): results of different types.
template <bool return_exceptions, class... T>
class GatherTuple final : public ValueState<GatherFuture, std::tuple<Gathered<return_exceptions, T>...>> {
 public:
  using Result = std::tuple<Gathered<return_exceptions, T>...>;
  static constexpr bool with_exceptions = return_exceptions;
  using ValueState<GatherFuture, Result>::ValueState;

 private:
  ~GatherTuple() override = default;
  void collect(const FutureState* reporting) override {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      this->stored_.emplace(this->template gathered<return_exceptions, T>(i, reporting)...);
    }(std::index_sequence_for<T...>());
    this->finish();
  }
};

/// gather(range): results of one type.
template <bool return_exceptions, class T>
class GatherVector final : public ValueState<GatherFuture, std::vector<Gathered<return_exceptions, T>>> {
 public:
  using Result = std::vector<Gathered<return_exceptions, T>>;
  static constexpr bool with_exceptions = return_exceptions;
  using ValueState<GatherFuture, Result>::ValueState;

 private:
  ~GatherVector() override = default;
  void collect(const FutureState* reporting) override {
    auto& results = this->stored_.emplace();
    results.reserve(this->size());
    for (std::size_t i = 0; i < this->size(); ++i) {
      results.push_back(this->template gathered<return_exceptions, T>(i, reporting));
    }
    this->finish();
  }
};

}  // namespace coir::detail
