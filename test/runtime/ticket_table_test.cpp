// SPDX-License-Identifier: MIT
// The ends of the table: a place that has been used as often as it can be, and the last place. Nobody has the time and
// the memory to get there, so this looks into it: the table of this program is a copy of the library's.
#include "../../runtime/src/ticket_table.cpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace coir::detail {

static std::vector<Stray> counted;
void BridgeLists::count_stray(Stray kind, SourceLocation) noexcept { counted.push_back(kind); }
void BridgeLists::leave_abandoned(BridgeBase&) noexcept {}
void BridgeBase::count_stray(Stray) const noexcept {}

namespace {

class OneBridge final : public BridgeBase {
 public:
  explicit OneBridge(EventLoop& loop) : BridgeBase(loop.core(), "test", {}, {}) { HandleNode::refs = 1000; }
  ~OneBridge() { leave_loop(); }
  void owner_gone() noexcept override {}
  std::optional<Stray> ticket_ends() const noexcept override { return std::nullopt; }
  Stray ending() const noexcept override { return Stray::late; }
  bool stopping() const noexcept override { return false; }
  void mapper_threw(std::exception_ptr) noexcept override {}
  void loop_closes() noexcept override {}
  void invoke() override {}
  void drop() noexcept override {}
  void destroy() noexcept override {}
};

class TicketTableTest : public ::testing::Test {
 protected:
  TicketTableTest() { counted.clear(); }
  /// Whether a call with it gets in.
  static bool enters(TicketId ticket) {
    TicketPlace* const place = enter_ticket(ticket, &tag);
    if (place == nullptr) return false;
    leave_ticket(*place, false, Stray::twice);
    return true;
  }
  TicketId acquire() { return id_of(acquire_ticket(bridge_, &tag)); }
  EventLoop loop_;
  OneBridge bridge_{loop_};
  static constexpr char tag = 0;
};

TEST_F(TicketTableTest, APlaceIsNotUsedAgainBehindItsLastGeneration) {
  const TicketId first = acquire();
  TicketPlace& place = *place_of(index_in(first));
  kill_ticket(first, Stray::late);

  place.word.store(word_of(static_cast<std::uint32_t>(low_half)) | dead);  // as after some four thousand million uses
  const TicketId last = acquire();
  ASSERT_EQ(index_in(last), place.index);
  EXPECT_TRUE(enters(last));
  EXPECT_FALSE(enters(first));
  EXPECT_EQ(counted, std::vector<Stray>{Stray::unknown});
  const std::size_t in_use = tickets_in_use();
  EXPECT_EQ(kill_ticket(last, Stray::late), TicketEnd::killed);
  EXPECT_EQ(tickets_in_use(), in_use - 1);

  for (int i = 0; i < 3000; ++i) {
    const TicketId other = acquire();
    EXPECT_NE(index_in(other), place.index);
    EXPECT_FALSE(enters(first));  // would be valid again
    if (i % 2 == 0) kill_ticket(other, Stray::late);
  }
  EXPECT_FALSE(enters(last));
  EXPECT_EQ(counted.back(), Stray::late);
}

TEST_F(TicketTableTest, WithoutAPlaceLeftAnErrorSaysWhoIsToBeAsked) {
  std::vector<TicketId> tickets{acquire()};  // there are places from here on
  while (depot.first != nullptr || cache.first != nullptr) tickets.push_back(acquire());
  const std::uint32_t made = std::exchange(depot.made, static_cast<std::uint32_t>(low_half) - 1);
  try {
    acquire();
    ADD_FAILURE() << "there was one more";
  } catch (const std::length_error& error) {
    EXPECT_NE(std::string(error.what()).find("pending_bridges()"), std::string::npos) << error.what();
  }
  depot.made = made;
  for (const TicketId ticket : tickets) EXPECT_TRUE(enters(ticket));
  EXPECT_EQ(kill_ticket(tickets.back(), Stray::late), TicketEnd::killed);
  EXPECT_TRUE(enters(acquire()));  // of the place that has come free
}

}  // namespace
}  // namespace coir::detail
