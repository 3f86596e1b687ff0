// SPDX-License-Identifier: MIT
#include "ticket_table.hpp"

#include <array>
#include <bit>
#include <climits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "bridge_lists.hpp"

namespace coir::detail {
namespace {

// Half of a pointer each: 32 bits of either where pointers have 64.
constexpr unsigned half = sizeof(TicketId) * CHAR_BIT / 2;
constexpr std::uint64_t low_half = (std::uint64_t{1} << half) - 1;
constexpr std::uint64_t dead = std::uint64_t{1} << 31;
constexpr std::uint64_t sealed = std::uint64_t{1} << 30;
constexpr std::uint64_t users = sealed - 1;

constexpr std::uint32_t generation_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
constexpr std::uint64_t word_of(std::uint32_t generation) noexcept { return std::uint64_t{generation} << 32; }
/// 0, which no ticket has, for a ticket is not null: the place is used up, lest a ticket of the first round be taken for
/// one of the second. Places that are used over and over come to that in minutes. Where generations have 16 bits they
/// begin again instead: the places, as few, would be used up within hours.
constexpr std::uint32_t next_generation(std::uint32_t generation) noexcept {
  const auto next = static_cast<std::uint32_t>((std::uint64_t{generation} + 1) & low_half);
  return next == 0 && half < 32 ? 1 : next;
}
constexpr std::uint32_t index_in(TicketId ticket) noexcept { return static_cast<std::uint32_t>(ticket & low_half); }
constexpr std::uint32_t generation_in(TicketId ticket) noexcept {
  return static_cast<std::uint32_t>(std::uint64_t{ticket} >> half);
}

/// Chunks of 1,024 places, then 1,024, 2,048, 4,096 ...: chunk k > 0 begins at place 1,024 << (k - 1).
constexpr std::uint32_t first_chunk = 1024;
std::array<std::atomic<TicketPlace*>, 23> chunks{};

TicketPlace* place_of(std::uint32_t index) noexcept {
  if (index < first_chunk) [[likely]] {
    TicketPlace* const places = chunks[0].load(std::memory_order_acquire);
    return places != nullptr ? places + index : nullptr;
  }
  const auto chunk = static_cast<std::size_t>(std::bit_width(index / first_chunk));
  TicketPlace* const places = chunks[chunk].load(std::memory_order_acquire);
  if (places == nullptr) return nullptr;
  return places + (index - (first_chunk << (chunk - 1)));
}

/// Free places of all threads.
struct Depot {
  std::mutex mutex;
  TicketPlace* first = nullptr;
  std::size_t free_count = 0;
  std::size_t used_up = 0;
  std::uint32_t made = 0;

  void grow() {
    const auto chunk = static_cast<std::size_t>(std::bit_width(made / first_chunk));
    const std::uint32_t size = chunk == 0 ? first_chunk : made;
    if (chunk >= chunks.size() || made > low_half - size) {
      throw std::length_error(std::to_string(made - used_up) +
                              " callbacks are owed, and there is no number left for the user data of one more. "
                              "pending_bridges() says by whom; a canceller that answers Cancel::stopped ends one.");
    }
    auto places = std::make_unique<TicketPlace[]>(size);
    for (std::uint32_t i = size; i-- != 0;) {
      places[i].index = made + i;
      places[i].word.store(word_of(1) | dead, std::memory_order_relaxed);
      places[i].next_free = std::exchange(first, &places[i]);
    }
    chunks[chunk].store(places.release(), std::memory_order_release);
    made += size;
    free_count += size;
  }
};

constinit Depot depot;
static_assert(std::is_trivially_destructible_v<Depot>, "threads may end after static destruction");

constexpr std::uint32_t batch = 32;

/// Free places of one thread.
struct Cache {
  TicketPlace* first;
  std::uint32_t count;
  enum class Thread : std::uint8_t { fresh, enrolled, gone } thread;
};
COIR_TLS Cache cache{};

void give_back(std::uint32_t count) noexcept {
  const std::scoped_lock lock(depot.mutex);
  for (; count != 0 && cache.first != nullptr; --count, --cache.count) {
    TicketPlace* const place = cache.first;
    cache.first = place->next_free;
    place->next_free = std::exchange(depot.first, place);
    ++depot.free_count;
  }
}

struct ThreadEnd {
  ~ThreadEnd() {
    give_back(cache.count);
    cache.thread = Cache::Thread::gone;
  }
};

void enrol() noexcept {
  if (cache.thread != Cache::Thread::fresh) return;
  cache.thread = Cache::Thread::enrolled;
  static thread_local ThreadEnd end;
  static_cast<void>(end);
}

void refill() {
  enrol();
  const std::scoped_lock lock(depot.mutex);
  if (depot.first == nullptr) depot.grow();
  for (std::uint32_t i = 0; i != batch && depot.first != nullptr; ++i) {
    TicketPlace* const place = depot.first;
    depot.first = place->next_free;
    place->next_free = std::exchange(cache.first, place);
    ++cache.count;
    --depot.free_count;
  }
}

/// K3. The bridge's reference is the caller's.
[[gnu::always_inline]] inline void recycle(TicketPlace& place, std::uint32_t generation, Stray ended) noexcept {
  const SourceLocation where = place.bridge->scheduled_at;
  place.ended.store(ended, std::memory_order_release);
  place.file.store(where.file, std::memory_order_release);
  place.line.store(where.line, std::memory_order_release);
  place.bridge = nullptr;
  const std::uint32_t next = next_generation(generation);
  place.word.store(word_of(next) | dead, std::memory_order_release);
  if (next == 0) [[unlikely]] {
    const std::scoped_lock lock(depot.mutex);
    ++depot.used_up;
    return;
  }
  place.next_free = std::exchange(cache.first, &place);
  if (++cache.count < 2 * batch) [[likely]] return;
  enrol();
  give_back(cache.thread == Cache::Thread::gone ? cache.count : batch);
}

/// Errors    std::bad_alloc; std::length_error if all places there can be are taken
TicketPlace& acquire_ticket(BridgeBase& bridge, const void* tag) {
  if (cache.first == nullptr) [[unlikely]] refill();
  TicketPlace& place = *cache.first;
  cache.first = place.next_free;
  --cache.count;
  place.bridge = &bridge;
  place.tag = tag;
  place.word.store(word_of(generation_of(place.word.load(std::memory_order_relaxed))), std::memory_order_release);
  return place;
}

TicketId id_of(const TicketPlace& place) noexcept {
  const std::uint32_t generation = generation_of(place.word.load(std::memory_order_relaxed));
  return static_cast<TicketId>((std::uint64_t{generation} << half) | place.index);
}

/// Whoever comes too late is told apart by the last one that was here, unless the place has been used again since.
void count_stale(const TicketPlace& place, std::uint32_t generation, std::uint64_t word) noexcept {
  // Acquired, so that a generation which has not changed afterwards tells that they belong together.
  const Stray kind = place.ended.load(std::memory_order_acquire);
  const SourceLocation where{place.file.load(std::memory_order_acquire), place.line.load(std::memory_order_acquire)};
  const std::uint32_t current = generation_of(place.word.load(std::memory_order_relaxed));
  if (generation == generation_of(word)) {
    BridgeLists::count_stray(Stray::twice, {});  // it is dead, but a call is still under way
  } else if (current == next_generation(generation) && current == generation_of(word)) {
    BridgeLists::count_stray(kind, where);
  } else {
    BridgeLists::count_stray(Stray::unknown, {});
  }
}

}  // namespace

TicketPlace* enter_ticket(TicketId ticket, const void* tag) noexcept {
  TicketPlace* const place = place_of(index_in(ticket));
  const std::uint32_t generation = generation_in(ticket);
  if (place == nullptr) {
    BridgeLists::count_stray(Stray::unknown, {});
    return nullptr;
  }
  std::uint64_t word = place->word.load(std::memory_order_relaxed);
  do {
    if (generation_of(word) != generation || (word & dead) != 0) [[unlikely]] {
      count_stale(*place, generation, word);
      return nullptr;
    }
  } while (!place->word.compare_exchange_weak(word, word + 1, std::memory_order_acquire, std::memory_order_relaxed));
  if (place->tag != tag) [[unlikely]] {
    BridgeLists::count_stray(Stray::unknown, place->bridge->scheduled_at);
    leave_ticket(*place, false, Stray::unknown);
    return nullptr;
  }
  return place;
}

void leave_ticket(TicketPlace& place, bool retire, Stray ended) noexcept {
  BridgeBase* const bridge = place.bridge;
  std::uint64_t word = place.word.load(std::memory_order_relaxed);
  std::uint64_t left;
  do {
    left = (word - 1) | (retire ? dead : 0);
  } while (!place.word.compare_exchange_weak(word, left, std::memory_order_acq_rel, std::memory_order_relaxed));
  if ((left & dead) == 0 || (left & users) != 0) return;
  recycle(place, generation_of(left), ended);
  bridge->let_go();
}

bool seal_ticket(TicketPlace& place) noexcept {
  std::uint64_t word = place.word.load(std::memory_order_relaxed);
  if ((word & (dead | users)) != 1) return false;
  return place.word.compare_exchange_strong(word, word | dead | sealed, std::memory_order_acq_rel,
                                            std::memory_order_relaxed);
}

TicketEnd kill_ticket(TicketId ticket, Stray ended) noexcept {
  TicketPlace& place = *place_of(index_in(ticket));
  const std::uint32_t generation = generation_in(ticket);
  std::uint64_t word = place.word.load(std::memory_order_relaxed);
  do {
    if (generation_of(word) != generation || (word & dead) != 0) return TicketEnd::none;
  } while (!place.word.compare_exchange_weak(word, word | dead, std::memory_order_acq_rel, std::memory_order_relaxed));
  if ((word & users) != 0) return TicketEnd::in_use;
  recycle(place, generation, ended);
  return TicketEnd::killed;
}

void* BridgeBase::make_ticket(const void* tag, Kept* mapper) {
  place_ = &acquire_ticket(*this, tag);
  ticket_ = id_of(*place_);
  if (mapper != nullptr) keep(*mapper);  // behind what may throw: until then it is the caller's
  mapper_ = mapper;
  return reinterpret_cast<void*>(ticket_);
}

bool BridgeBase::seal_ticket() noexcept { return detail::seal_ticket(*place_); }

TicketEnd BridgeBase::revoke_ticket(Stray ended) noexcept {
  if (ticket_ == 0) return TicketEnd::none;
  const TicketEnd end = kill_ticket(ticket_, ended);
  if (end == TicketEnd::killed) let_go();
  return end;
}

TicketUse::TicketUse(TicketId ticket, const void* tag) noexcept
    : place_(enter_ticket(ticket, tag)), bridge_(place_ != nullptr ? place_->bridge : nullptr) {}

TicketUse::~TicketUse() {
  if (bridge_ == nullptr) return;
  if (const std::uint64_t word = place_->word.load(std::memory_order_relaxed); (word & sealed) != 0) {  // K4
    recycle(*place_, generation_of(word), Stray::twice);
    bridge_->let_go();
    return;
  }
  const std::optional<Stray> ends = bridge_->ticket_ends();
  leave_ticket(*place_, retire_ || ends, ends.value_or(Stray::twice));
}

std::size_t tickets_in_use() noexcept {
  const std::scoped_lock lock(depot.mutex);
  return depot.made - depot.free_count - depot.used_up - cache.count;
}

}  // namespace coir::detail
