// SPDX-License-Identifier: MIT
#include "bridge_lists.hpp"

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

void BridgeLists::stamp(BridgeBase& newest, TimePoint now) noexcept {
  for (BridgeBase* bridge = &newest; bridge != nullptr && bridge->created_ == BridgeBase::not_stamped;
       bridge = bridge->older_) {
    bridge->created_ = now;
  }
}

void BridgeLists::enter_abandoned(BridgeBase& bridge) noexcept {
  if (bridge.listed_ == BridgeBase::List::loop) {
    // No loop's clock is theirs: from here on their age is counted by the steady one.
    bridge.created_ = std::chrono::steady_clock::now() - bridge.age();
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

void BridgeBase::copy_name(std::string_view given) {
  try {
    given_name_ = std::make_unique<const std::string>(given);
  } catch (...) {
    leave_loop();
    throw;
  }
}

Duration BridgeBase::age() const noexcept {
  if (listed_ != List::loop) return std::chrono::steady_clock::now() - created_;
  return loop_->clock.now() - (created_ != not_stamped ? created_ : loop_->waited_at);
}

PendingBridge BridgeBase::info(LoopCore* of) const {
  using State = PendingBridge::State;
  return {.name = given_name_ ? *given_name_ : std::string(),
          .kind = kind(),
          .where = scheduled_at,
          .age = age(),
          .state = of == nullptr ? State::abandoned : stopping() ? State::stopping : State::waiting};
}

std::string BridgeBase::text() const {
  return std::string(kind()) + (given_name_ ? " '" + *given_name_ + "'" : "") + " at " + to_string(scheduled_at);
}

void BridgeBase::count_stray(Stray kind) const noexcept { BridgeLists::count_stray(kind, scheduled_at); }

void BridgeBase::list_abandoned() noexcept { BridgeLists::enter_abandoned(*this); }

Cancel BridgeBase::ask_canceller() noexcept {
  if (canceller_ == nullptr) return Cancel::refused;
  try {
    return canceller_->call();
  } catch (...) {
    try {
      loop_->report({.message = "Exception in the canceller of " + text() + ", which counts as Cancel::refused",
                     .exception = std::current_exception(),
                     .subject = text()});
    } catch (...) {  // no memory for the words
    }
    return Cancel::refused;
  }
}

}  // namespace detail
}  // namespace coir
