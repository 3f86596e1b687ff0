// SPDX-License-Identifier: MIT
#include <coir/gather.hpp>

#include <stdexcept>
#include <utility>

#include <coir/errors.hpp>

namespace coir::detail {

GatherFuture::GatherFuture(LoopCore& loop, SourceLocation where, bool return_exceptions,
                           std::vector<AnyFuture> children, std::vector<std::size_t> first_occurrence,
                           std::shared_ptr<Link> link)
    : FutureState(loop, where),
      return_exceptions_(return_exceptions),
      children_(std::move(children)),
      first_occurrence_(std::move(first_occurrence)),
      link_(std::move(link)),
      left_(0) {
  set_kind("gather");
  link_->gather = this;
}

GatherFuture::~GatherFuture() {
  link_->gather = nullptr;  // A1
  link_->over = done();
}

std::shared_ptr<GatherFuture::Link> GatherFuture::link_children(const std::vector<AnyFuture>& children,
                                                                const std::vector<std::size_t>& first_occurrence) {
  for (const AnyFuture& child : children) {
    if (&child.state().loop() != &children.front().state().loop()) {
      throw std::invalid_argument("gather(): the futures belong to different loops: " + children.front().describe() +
                                  ", " + child.describe());
    }
  }
  auto link = std::make_shared<Link>();
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (first_occurrence[i] != i || children[i].done()) continue;
    children[i].add_done_callback(
        [link](AnyFuture child) {
          if (link->gather == nullptr) {
            // What comes behind the failure that was passed on is dropped. If nobody held the gather long enough, a
            // failed child reports its failure itself.
            if (link->over) child.state().mark_retrieved();
            return;
          }
          const Ref<FutureState> keep(link->gather);
          link->gather->child_done(child.state(), true);
          if (keep->done()) link->kept = {};
        },
        "gather");
  }
  return link;
}

void GatherFuture::begin() {
  trace_created();
  for (std::size_t i = 0; i < children_.size(); ++i) left_ += first_occurrence_[i] == i ? 1 : 0;
  if (left_ == 0) return collect(nullptr);
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (first_occurrence_[i] == i && children_[i].done()) child_done(children_[i].state(), false);
  }
}

void GatherFuture::child_done(FutureState& child, bool in_callback) {
  --left_;
  if (done()) {
    child.mark_retrieved();  // the first failure was passed on already; asyncio drops later ones, too
    return;
  }
  if (!return_exceptions_ && (child.cancelled() || child.failed())) return finish(child.reason());
  if (left_ != 0) return;
  if (cancel_requested_) {
    for (const AnyFuture& each : children_) each.state().mark_retrieved();
    const std::string& last = children_.back().state().cancel_message();
    return finish(std::make_exception_ptr(CancelledError(last.empty() ? cancel_message() : last)));
  }
  try {
    collect(in_callback ? &child : nullptr);
  } catch (...) {  // a copy of a result that throws, or no memory for the results
    finish(std::current_exception());
  }
}

bool GatherFuture::sole_owner(std::size_t child, const FutureState* reporting) const noexcept {
  const FutureState& state = children_[child].state();
  // Ours, and one that the callback being run holds (FutureState S2).
  return state.references() == 1U + (&state == reporting ? 2U : 0U);
}

bool GatherFuture::kept_by_source() noexcept {
  link_->kept = Ref<FutureState>(this);
  return true;
}

bool GatherFuture::cancel(std::string message) {
  if (done()) return false;
  bool any = false;
  // By index: a child may be cancelled at once, and a callback of it cannot run before the next turn (P2).
  // A child that was passed twice is asked twice, and counts that, as in asyncio.
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (children_[i].cancel(message)) any = true;
  }
  if (any) {
    cancel_requested_ = true;
    set_cancel_message(std::move(message));
  }
  return any;
}

}  // namespace coir::detail
