// SPDX-License-Identifier: MIT
// The future that shield() returns.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <coir/await.hpp>

namespace coir::detail {

/// The untyped half: takes over how the inner future ends, and lets no cancellation through.
///
/// D1  The inner future's callback reaches this one through link_, which forgets it when it is done or dies: repeated
///     shields of a long task leave nothing behind in it. One that has callbacks and no handle is kept until done.
class COIR_EXPORT ShieldFuture : public FutureState {
 public:
  bool cancel(std::string message) override;
  void each_awaited(const AwaitedVisitor& visit) const override {
    if (inner_ && !inner_.done()) visit(inner_.state());
  }

 protected:
  ShieldFuture(LoopCore& loop, SourceLocation where, AnyFuture inner);
  ~ShieldFuture() override;
  void begin();
  virtual void take_result(FutureState& inner) = 0;

 private:
  struct Link {
    ShieldFuture* outer;
    Ref<FutureState> kept = {};
  };
  bool kept_by_source() noexcept override;
  void detach() noexcept;
  void inner_done();

  AnyFuture inner_;
  CallbackId callback_;
  std::shared_ptr<Link> link_;  // D1
};

template <class T>
class ShieldOf final : public ValueState<ShieldFuture, T> {
 public:
  static Future<T> create(const Future<T>& inner, SourceLocation where) {
    auto* outer = new ShieldOf(inner, where);
    auto state = Ref<FutureState>::adopt(outer);
    outer->begin();
    return Future<T>(std::move(state));
  }

 private:
  ShieldOf(const Future<T>& inner, SourceLocation where)
      : ValueState<ShieldFuture, T>(inner.state().loop(), where, inner) {}
  ~ShieldOf() override = default;

  void take_result(FutureState& inner) override {
    if constexpr (std::is_void_v<T>) {
      this->stored_.emplace();
    } else if constexpr (std::is_reference_v<T>) {
      this->stored_.emplace(&take_value<T>(inner, false));
    } else {
      this->stored_.emplace(take_value<T>(inner, false));
    }
    this->finish();
  }
};

}  // namespace coir::detail
