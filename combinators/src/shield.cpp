// SPDX-License-Identifier: MIT
#include <coir/shield.hpp>

#include <utility>

namespace coir::detail {

ShieldFuture::ShieldFuture(LoopCore& loop, SourceLocation where, AnyFuture inner)
    : FutureState(loop, where), inner_(std::move(inner)), link_(std::make_shared<Link>(Link{this})) {
  set_kind("shield");
}

ShieldFuture::~ShieldFuture() { detach(); }

void ShieldFuture::begin() {
  trace_created();
  callback_ = inner_.add_done_callback(
      [link = link_] {
        if (link->outer == nullptr) return;
        const Ref<FutureState> keep(link->outer);
        link->kept = {};
        link->outer->inner_done();
      },
      "shield");
}

void ShieldFuture::detach() noexcept {
  if (!inner_) return;
  link_->outer = nullptr;
  inner_.remove_done_callback(callback_);
  inner_ = {};
}

bool ShieldFuture::kept_by_source() noexcept {
  link_->kept = Ref<FutureState>(this);
  return true;
}

bool ShieldFuture::cancel(std::string message) {
  if (!done()) detach();
  return FutureState::cancel(std::move(message));
}

void ShieldFuture::inner_done() {
  const AnyFuture inner = inner_;
  detach();
  if (done()) return;
  FutureState& state = inner.state();
  if (state.cancelled()) {
    FutureState::cancel(state.cancel_message());
  } else if (state.failed()) {
    finish(state.reason());
  } else {
    try {
      take_result(state);
    } catch (...) {  // the copy threw
      finish(std::current_exception());
    }
  }
}

}  // namespace coir::detail
