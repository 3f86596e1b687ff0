// SPDX-License-Identifier: MIT
// What stands behind the user data of a C callback. Private to runtime/.
#pragma once

#include <atomic>
#include <cstdint>

#include <coir/detail/bridge_base.hpp>

namespace coir::detail {

/// One place of the table.
///
///     word    generation | dead | sealed | users
///
/// K1  A place is never freed, so a ticket of any age can be looked up by any thread.
/// K2  `bridge` and `tag` are valid for whoever has raised `users` while the generation was his and `dead` not set.
///     Nobody changes them while users is not zero.
/// K3  Whoever lowers users to zero with `dead` set, or sets `dead` while it is zero, owns the place: he lets the
///     bridge go, raises the generation, and puts the place among the free ones of his thread, unless it is used up:
///     then it is never free again.
/// K4  While `dead` is set, nobody but its user can change the word of a place that has one user. `sealed` says that it
///     is so because that user has asked for it.
struct alignas(64) TicketPlace {
  std::atomic<std::uint64_t> word{0};
  BridgeBase* bridge = nullptr;             // K2
  const void* tag = nullptr;                // K2
  TicketPlace* next_free = nullptr;         // valid while free
  std::uint32_t index = 0;
  // How the last bridge here ended, for messages; read by threads that come too late.
  std::atomic<Stray> ended{Stray::unknown};
  std::atomic<unsigned> line{0};
  std::atomic<const char*> file{nullptr};
};

/// Null: the ticket is not valid, or not for this tag; counted as a stray. Else followed by leave_ticket().
TicketPlace* enter_ticket(TicketId ticket, const void* tag) noexcept;
/// With `retire`: no further call gets in. Lets the bridge go if this was the last one (K3).
void leave_ticket(TicketPlace& place, bool retire, Stray ended) noexcept;
/// By whoever has entered it: no further call gets in, unless others are under way (then false, and nothing changes).
bool seal_ticket(TicketPlace& place) noexcept;
/// No further call gets in. If killed, the bridge's reference is the caller's.
TicketEnd kill_ticket(TicketId ticket, Stray ended) noexcept;
std::size_t tickets_in_use() noexcept;

}  // namespace coir::detail
