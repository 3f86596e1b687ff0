// SPDX-License-Identifier: MIT
#include "runtime_test.hpp"

#include <memory>

namespace coir::test {
namespace {

class HandleTest : public RuntimeTest {};

// CPython: test_base_events.py, test__add_callback_cancelled_handle.
TEST_F(HandleTest, ACancelledCallbackIsSkippedAndDroppedAtOnce) {
  auto alive = std::make_shared<int>();
  Handle handle = loop().call_soon([this, alive] { trace("cancelled"); });
  loop().call_soon(note("other"));
  EXPECT_FALSE(handle.cancelled());
  handle.cancel();
  EXPECT_TRUE(handle.cancelled());
  EXPECT_EQ(alive.use_count(), 1);
  handle.cancel();
  run_ready();
  EXPECT_EQ(events, (Trace{"other"}));
}

TEST_F(HandleTest, CancelOfACallbackThatIsReadyInTheSameTurnTakesEffect) {
  Handle second;
  loop().call_soon([&] { second.cancel(); });
  second = loop().call_soon(note("second"));
  run_ready();
  EXPECT_EQ(events, Trace{});
}

TEST_F(HandleTest, ACallbackMayCancelItselfWhileItRuns) {
  Handle self;
  self = loop().call_soon([&, text = std::string(100, 'x')] {
    self.cancel();
    trace(text.substr(0, 1));  // the captures are still there
  });
  run_ready();
  EXPECT_EQ(events, (Trace{"x"}));
  EXPECT_TRUE(self.cancelled());
}

TEST_F(HandleTest, ACallableIsDestroyedAfterItRan) {
  auto alive = std::make_shared<int>();
  Handle handle = loop().call_soon([alive] {});
  run_ready();
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_FALSE(handle.cancelled());
}

TEST_F(HandleTest, DroppingAHandleCancelsNothing) {
  { const Handle handle = loop().call_soon(note("soon")); }
  { const TimerHandle handle = loop().call_later(1s, note("later")); }
  run_ready();
  EXPECT_EQ(events, (Trace{"soon", "later"}));
}

TEST_F(HandleTest, OutlivesItsLoop) {
  Handle soon;
  TimerHandle later;
  {
    EventLoop short_lived(LoopOptions{.clock = &clock});
    soon = short_lived.call_soon([] {});
    later = short_lived.call_later(1s, [] {});
  }
  soon.cancel();
  later.cancel();
  EXPECT_TRUE(later.cancelled());
  EXPECT_EQ(later.when(), TimePoint{} + 1s);
}

TEST_F(HandleTest, CallablesMayBeMoveOnly) {
  loop().call_soon([this, value = std::make_unique<int>(1)] { trace(std::to_string(*value)); });
  loop().call_later(1s, [this, value = std::make_unique<int>(2)] { trace(std::to_string(*value)); });
  loop().call_soon_threadsafe([this, value = std::make_unique<int>(3)] { trace(std::to_string(*value)); });
  run_ready();
  EXPECT_EQ(events, (Trace{"1", "3", "2"}));
}

// CPython: test_base_events.py, test_call_later.
TEST_F(HandleTest, KnowsItsDeadline) {
  clock.advance(5s);
  EXPECT_EQ(loop().call_later(250ms, [] {}).when(), TimePoint{} + 5250ms);
  EXPECT_EQ(loop().call_at(TimePoint{} + 7s, [] {}).when(), TimePoint{} + 7s);
  run_ready();
}

TEST_F(HandleTest, ADestructorThatRunsAtCancelMayCancelAndScheduleMore) {
  Handle other = loop().call_soon(note("other"));
  Handle handle = loop().call_soon([held = on_destruction([&] {
                                      other.cancel();
                                      loop().call_soon(note("scheduled by a destructor"));
                                    })] {});
  handle.cancel();
  run_ready();
  EXPECT_EQ(events, (Trace{"scheduled by a destructor"}));
}

TEST_F(HandleTest, AnEmptyHandleIsHarmless) {
  Handle empty;
  EXPECT_FALSE(empty);
  empty.cancel();
  EXPECT_FALSE(empty.cancelled());
}

}  // namespace
}  // namespace coir::test
