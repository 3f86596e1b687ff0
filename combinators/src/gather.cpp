// SPDX-License-Identifier: MIT
#include <coir/gather.hpp>

#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include <coir/errors.hpp>

namespace coir::detail {

struct GatherLink::Callback final : HandleNode {
  explicit Callback(GatherLink& of) noexcept : HandleNode(Role::callback, SourceLocation()), link(of) {}

  void invoke() override {
    FutureState& child = *future;
    if (link.gather == nullptr) {
      // What comes behind the failure that was passed on is dropped. If nobody held the gather long enough, a failed
      // child reports its failure itself.
      if (link.over) child.mark_retrieved();
      return;
    }
    if (link.gather->counts_down_for(child)) return;
    const Ref<FutureState> keep(link.gather);
    link.gather->child_done(child, true);
    if (keep->done()) link.kept = {};
  }
  void drop() noexcept override {}
  void destroy() noexcept override { link.release(); }

  GatherLink& link;
  bool added = false;
};

GatherLink::Callback* GatherLink::callbacks() const noexcept {
  static_assert(sizeof(GatherLink) % alignof(Callback) == 0 && alignof(Callback) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  return std::launder(reinterpret_cast<Callback*>(const_cast<GatherLink*>(this) + 1));
}

Ref<GatherLink> GatherLink::create(const std::vector<AnyFuture>& children) {
  for (const AnyFuture& child : children) {
    if (&child.state().loop() != &children.front().state().loop()) {
      throw std::invalid_argument("gather(): the futures belong to different loops: " + children.front().describe() +
                                  ", " + child.describe());
    }
  }
  void* const block = ::operator new(sizeof(GatherLink) + children.size() * sizeof(Callback));
  auto link = Ref<GatherLink>::adopt(::new (block) GatherLink(children.size()));
  Callback* const callbacks = static_cast<Callback*>(static_cast<void*>(static_cast<GatherLink*>(block) + 1));
  for (std::size_t i = 0; i < children.size(); ++i) ::new (callbacks + i) Callback(*link);
  for (std::size_t i = 0; i < children.size(); ++i) {
    FutureState& child = children[i].state();
    if (child.done()) continue;
    // Given twice: nobody else can have added a callback since.
    const auto* newest = static_cast<const void*>(child.newest_callback());
    if (!std::less<>()(newest, static_cast<const void*>(callbacks)) &&
        std::less<>()(newest, static_cast<const void*>(callbacks + i))) {
      continue;
    }
    child.add_done_callback(callbacks[i], "gather");
    callbacks[i].added = true;
    link->retain();
  }
  return link;
}

void GatherLink::release() noexcept {
  if (--refs_ != 0) return;
  std::destroy_n(callbacks(), count_);
  this->~GatherLink();
  ::operator delete(this);
}

bool GatherLink::registered(std::size_t index) const noexcept { return callbacks()[index].added; }

GatherFuture::GatherFuture(LoopCore& loop, SourceLocation where, bool return_exceptions,
                           std::vector<AnyFuture> children, Ref<GatherLink> link)
    : FutureState(loop, where),
      return_exceptions_(return_exceptions),
      children_(std::move(children)),
      link_(std::move(link)) {
  set_kind("gather");
  link_->gather = this;
}

GatherFuture::~GatherFuture() {
  link_->gather = nullptr;  // A1
  link_->over = done();
}

void GatherFuture::begin() {
  trace_created();
  left_ = link_->registered();
  if (left_ == children_.size() && left_ != 0) return;  // none was done, none was given twice
  left_ = 0;
  for (std::size_t i = 0; i < children_.size(); ++i) left_ += children_[i].done() || link_->registered(i) ? 1 : 0;
  if (left_ == 0) return collect(nullptr);
  for (const AnyFuture& child : children_) {
    if (child.done()) child_done(child.state(), false);
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
    return finish(std::make_exception_ptr(CancelledError(children_.back().state().cancel_message())));
  }
  try {
    collect(in_callback ? &child : nullptr);
  } catch (...) {  // a copy of a result that throws, or no memory for the results
    finish(std::current_exception());
  }
}

bool GatherFuture::sole_owner(std::size_t child, const FutureState* reporting) const noexcept {
  const FutureState& state = children_[child].state();
  // Ours, and that of the callback being run (FutureState S2).
  return state.references() == 1U + (&state == reporting ? 1U : 0U);
}

bool GatherFuture::kept_by_source() noexcept {
  link_->kept = Ref<FutureState>(this);
  return true;
}

void GatherFuture::each_awaited(const AwaitedVisitor& visit) const {
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (link_->registered(i) && !children_[i].done()) visit(children_[i].state());
  }
}

bool GatherFuture::cancel(std::string message) {
  if (done()) return false;
  bool any = false;
  // By index: a child may be cancelled at once, and a callback of it cannot run before the next turn (P2).
  // A child that was passed twice is asked twice, and counts that, as in asyncio.
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (children_[i].cancel(message)) any = true;
  }
  if (any) cancel_requested_ = true;
  return any;
}

}  // namespace coir::detail
