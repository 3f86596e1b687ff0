// SPDX-License-Identifier: MIT
// The wait of one call for several futures. Private to combinators/.
#pragma once

#include <span>

#include <coir/future.hpp>

namespace coir::detail {

/// A future to be completed by callbacks of others, in the frame of the call that awaits it. Call graphs go through it
/// to what it waits for; awaiting it, unlike those, keeps a cancellation of the task away from them.
class Watch {
 public:
  /// `watched` is borrowed until the end of this object, which the future may outlive.
  Watch(const char* kind, std::span<const AnyFuture> watched) : state_(Ref<State>::adopt(new State(kind, watched))) {}
  ~Watch() { state_->watched = {}; }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Future<void> future() const { return Future<void>(Ref<FutureState>(state_.get())); }

 private:
  struct State final : ValueState<FutureState, void> {
    State(const char* kind, std::span<const AnyFuture> futures)
        : ValueState(get_running_loop().core(), SourceLocation()), watched(futures) {
      set_kind(kind);
    }
    void each_awaited(const AwaitedVisitor& visit) const override {
      for (const AnyFuture& future : watched) {
        if (!future.done()) visit(future.state());
      }
    }
    std::span<const AnyFuture> watched;
  };
  Ref<State> state_;
};

}  // namespace coir::detail
