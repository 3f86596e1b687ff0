// SPDX-License-Identifier: MIT
#include "bridge_lists.hpp"

#include <time.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <mutex>

#include <spdlog/logger.h>

#include "log.hpp"
#include "loop_core.hpp"
#include "ticket_table.hpp"

namespace coir {
namespace detail {
namespace {

/// Lives for ever: foreign threads may let go after static destruction.
struct Abandoned {
  std::mutex mutex;
  BridgeBase* newest = nullptr;
  std::size_t count = 0;
};
Abandoned& abandoned() noexcept {
  static Abandoned& it = *new Abandoned;
  return it;
}

std::array<std::atomic<std::uint64_t>, 4> strays{};

TimePoint coarse_steady() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

const char* words_for(Stray kind) noexcept {
  switch (kind) {
    case Stray::late: return "came after the wait for it had been given up";
    case Stray::twice: return "was called again";
    case Stray::after_close: return "came after its loop had been closed";
    case Stray::unknown: break;
  }
  return "came with user data that is no ticket, or one from long ago";
}

}  // namespace

TimePoint coarse_now(LoopCore& core) noexcept { return core.clock.is_virtual() ? core.clock.now() : coarse_steady(); }

void BridgeLists::enter_loop(BridgeBase& bridge) noexcept {
  LoopCore& core = *bridge.loop_;
  bridge.older_ = core.newest_bridge;
  bridge.newer_ = nullptr;
  if (core.newest_bridge != nullptr) core.newest_bridge->newer_ = &bridge;
  core.newest_bridge = &bridge;
  bridge.listed_ = BridgeBase::List::loop;
}

void BridgeLists::leave_loop(BridgeBase& bridge) noexcept {
  if (bridge.listed_ != BridgeBase::List::loop) return;
  if (bridge.newer_ != nullptr) bridge.newer_->older_ = bridge.older_;
  if (bridge.older_ != nullptr) bridge.older_->newer_ = bridge.newer_;
  if (bridge.loop_->newest_bridge == &bridge) bridge.loop_->newest_bridge = bridge.older_;
  bridge.listed_ = BridgeBase::List::none;
}

void BridgeLists::enter_abandoned(BridgeBase& bridge) noexcept {
  if (bridge.listed_ == BridgeBase::List::loop) {
    if (bridge.loop_->clock.is_virtual()) bridge.created_ = coarse_steady() - (bridge.loop_->clock.now() - bridge.created_);
    leave_loop(bridge);
  }
  Abandoned& list = abandoned();
  const std::scoped_lock lock(list.mutex);
  bridge.older_ = list.newest;
  bridge.newer_ = nullptr;
  if (list.newest != nullptr) list.newest->newer_ = &bridge;
  list.newest = &bridge;
  ++list.count;
  bridge.listed_ = BridgeBase::List::abandoned;
}

void BridgeLists::leave_abandoned(BridgeBase& bridge) noexcept {
  Abandoned& list = abandoned();
  const std::scoped_lock lock(list.mutex);
  if (bridge.newer_ != nullptr) bridge.newer_->older_ = bridge.older_;
  if (bridge.older_ != nullptr) bridge.older_->newer_ = bridge.newer_;
  if (list.newest == &bridge) list.newest = bridge.older_;
  --list.count;
  bridge.listed_ = BridgeBase::List::none;
}

std::string BridgeLists::describe(const LoopCore& core) {
  std::string text;
  for (const BridgeBase* bridge = core.newest_bridge; bridge != nullptr; bridge = bridge->older_) {
    text += "\n  not called back: " + to_string(bridge->info(bridge->loop_));
  }
  return text;
}

void BridgeLists::count_stray(Stray kind, SourceLocation where) noexcept {
  const std::uint64_t count = strays[static_cast<std::size_t>(kind)].fetch_add(1, std::memory_order_relaxed) + 1;
  if (!std::has_single_bit(count)) return;  // a library that always calls twice must not fill the log
  try {
    logger()->warn("The callback of {} {}: ignored. It is the {}. of its kind (bridge_stats()).",
                   where.file != nullptr ? "the bridge made at " + to_string(where) : std::string("a bridge"),
                   words_for(kind), count);
  } catch (...) {  // out of memory while reporting: nothing is left to report with
  }
}

}  // namespace detail

std::vector<PendingBridge> pending_bridges() {
  std::vector<PendingBridge> all;
  if (detail::LoopCore* core = detail::running_loop) {
    for (const detail::BridgeBase* bridge = core->newest_bridge; bridge != nullptr; bridge = bridge->older()) {
      all.push_back(bridge->info(core));
    }
  }
  detail::Abandoned& list = detail::abandoned();
  const std::scoped_lock lock(list.mutex);
  for (const detail::BridgeBase* bridge = list.newest; bridge != nullptr; bridge = bridge->older()) {
    all.push_back(bridge->info(nullptr));
  }
  return all;
}

BridgeStats bridge_stats() noexcept {
  const auto count = [](Stray kind) {
    return detail::strays[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed);
  };
  BridgeStats stats{.late = count(Stray::late),
                    .twice = count(Stray::twice),
                    .after_close = count(Stray::after_close),
                    .unknown = count(Stray::unknown)};
  stats.tickets = detail::tickets_in_use();
  detail::Abandoned& list = detail::abandoned();
  const std::scoped_lock lock(list.mutex);
  stats.abandoned = list.count;
  return stats;
}

std::string to_string(const PendingBridge& bridge) {
  char age[48];
  std::snprintf(age, sizeof age, ", for %.1f s", std::chrono::duration<double>(bridge.age).count());
  std::string text = bridge.kind;
  if (!bridge.name.empty()) text += " '" + bridge.name + "'";
  text += " at " + to_string(bridge.where) + age;
  if (bridge.state == PendingBridge::State::stopping) text += ", cancelled";
  if (bridge.state == PendingBridge::State::abandoned) text += ", abandoned";
  return text;
}

namespace detail {

Kept::~Kept() = default;
Canceller::~Canceller() = default;

BridgeBase::BridgeBase(LoopCore& loop, const char* kind, std::string_view given_name, SourceLocation where)
    : HandleNode(Role::callback, where), loop_(&loop), created_(coarse_now(loop)), given_name_(given_name) {
  HandleNode::name = kind;
  shared = true;
  persistent = true;  // so that drop() is called by a closing loop only
  refs = 2;           // E1
  BridgeLists::enter_loop(*this);
}

BridgeBase::~BridgeBase() {
  COIR_ASSERT(listed_ != List::loop, "E2: a bridge that its loop still knows was destroyed");
  if (listed_ == List::abandoned) BridgeLists::leave_abandoned(*this);
  drop_kept();
  delete mapper_;
}

void* BridgeBase::make_ticket(const void* tag, Kept* mapper) {
  mapper_ = mapper;
  ticket_ = acquire_ticket(*this, tag);
  return reinterpret_cast<void*>(ticket_);
}

PendingBridge BridgeBase::info(LoopCore* of) const {
  using State = PendingBridge::State;
  const TimePoint now = of != nullptr ? coarse_now(*of) : coarse_steady();
  return {.name = given_name_,
          .kind = kind(),
          .where = scheduled_at,
          .age = now - created_,
          .state = of == nullptr ? State::abandoned : stopping() ? State::stopping : State::waiting};
}

std::string BridgeBase::text() const {
  return std::string(kind()) + (given_name_.empty() ? "" : " '" + given_name_ + "'") + " at " + to_string(scheduled_at);
}

void BridgeBase::count_stray(Stray kind) const noexcept { BridgeLists::count_stray(kind, scheduled_at); }

bool BridgeBase::on_loop_thread() const noexcept { return running_loop == loop_; }

void BridgeBase::leave_loop() noexcept { BridgeLists::leave_loop(*this); }

void BridgeBase::list_abandoned() noexcept { BridgeLists::enter_abandoned(*this); }

Cancel BridgeBase::ask_canceller() noexcept {
  if (canceller_ == nullptr) return Cancel::refused;
  try {
    return canceller_->call();
  } catch (...) {
    loop_->report({.message = "Exception in the canceller of " + text() + ", which counts as Cancel::refused",
                   .exception = std::current_exception(),
                   .subject = text()});
    return Cancel::refused;
  }
}

TicketEnd BridgeBase::revoke_ticket() noexcept {
  if (ticket_ == 0) return TicketEnd::none;
  const TicketEnd end = kill_ticket(ticket_, Stray::late);
  if (end == TicketEnd::killed) let_go();
  return end;
}

void BridgeBase::drop_kept() noexcept {
  while (Kept* object = kept_) {
    kept_ = object->next;
    delete object;
  }
}

TicketUse::TicketUse(TicketId ticket, const void* tag) noexcept : ticket_(ticket), bridge_(enter_ticket(ticket, tag)) {}

TicketUse::~TicketUse() {
  if (bridge_ == nullptr) return;
  leave_ticket(ticket_, retire_ || bridge_->through(), bridge_->ending());
}

}  // namespace detail
}  // namespace coir
