// SPDX-License-Identifier: MIT
// The Timeout inside a timeout() block: its states, reschedule(), and the count of cancellations.
#include "combinators_test.hpp"

namespace coir::test {
namespace {

class TimeoutScopeTest : public CombinatorTest {
 protected:
  /// What reschedule() says.
  static std::string refusal(Timeout& scope) {
    try {
      scope.reschedule(get_running_loop().time() + 1s);
      return "accepted";
    } catch (const InvalidStateError& error) {
      return error.what();
    }
  }
};

// W12. CPython: test_timeouts.py, test_reschedule.
TEST_F(TimeoutScopeTest, TheDeadlineMovesAndGoes) {
  run([&] {
    Timeout* scope = nullptr;
    const auto entered = future<void>();
    const TimePoint first = loop().time() + 10s;
    auto task = create_task([&] {
      timeout_at(first, [&](Timeout& inside) {
        scope = &inside;
        entered.set_result();
        try {
          sleep(50s);
        } catch (const CancelledError&) {
          EXPECT_FALSE(inside.expired());
          throw;
        }
      });
    });
    await(entered);
    EXPECT_EQ(scope->when(), first);
    scope->reschedule(first + 20s);
    EXPECT_EQ(scope->when(), first + 20s);
    sleep(15s);
    EXPECT_FALSE(scope->expired());
    scope->reschedule(std::nullopt);
    EXPECT_FALSE(scope->when().has_value());
    sleep(30s);
    task.cancel();
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
  });
  EXPECT_EQ(elapsed_ms(), 45'000);
}

TEST_F(TimeoutScopeTest, AMovedDeadlineCounts) {
  run([&] {
    for (const Duration moved : {Duration(5ms), Duration(50ms)}) {
      const long before = elapsed_ms();
      EXPECT_EQ(ending_of([&] {
                  timeout(20ms, [&](Timeout& scope) {
                    scope.reschedule(loop().time() + moved);
                    sleep(1s);
                  });
                }),
                "TimeoutError");
      EXPECT_EQ(elapsed_ms() - before, moved / 1ms);
    }
    EXPECT_EQ(ending_of([&] {
                timeout_at(std::nullopt, [&](Timeout& scope) {
                  scope.reschedule(loop().time() + 5ms);
                  sleep(1s);
                });
              }),
              "TimeoutError");
  });
  EXPECT_EQ(elapsed_ms(), 60);
}

// W12.
TEST_F(TimeoutScopeTest, ADeadlineMovedToThePastExpiresInTheNextTurn) {
  run([&] {
    EXPECT_EQ(turns_of([&] {
                timeout(1h, [&](Timeout& scope) {
                  scope.reschedule(loop().time() - 1s);
                  EXPECT_FALSE(scope.expired());
                  sleep(0ms);
                });
              }),
              1U);
  });
  EXPECT_EQ(elapsed_ms(), 0);
}

TEST_F(TimeoutScopeTest, ADeadlineMovedOnBeforeItTookEffectIsForgotten) {
  run([&] {
    timeout(0ms, [&](Timeout& scope) {
      scope.reschedule(loop().time() + 10ms);
      sleep(5ms);
      EXPECT_FALSE(scope.expired());
    });
    sleep(10ms);
  });
}

// W12. CPython: test_timeouts.py, test_timeout_expiring.
TEST_F(TimeoutScopeTest, OnceExpiringThereIsNoWayBack) {
  run([&] {
    EXPECT_EQ(timeout(10ms,
                      [&](Timeout& scope) {
                        EXPECT_EQ(ending_of([] { sleep(1s); }), "CancelledError");
                        EXPECT_TRUE(scope.expired());
                        return refusal(scope);
                      }),
              "Cannot change state of expiring Timeout");
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

// CPython: test_timeouts.py, test_timeout_finished, test_timeout_expired: here the Timeout is gone by then, and so is
// whatever was scheduled for it.
TEST_F(TimeoutScopeTest, ATimerThatWasMovedGoesWithTheBlock) {
  run([&] {
    for (const Duration moved : {Duration(1s), Duration(0s)}) {
      timeout(10ms, [&](Timeout& scope) { scope.reschedule(loop().time() + moved); });
      sleep(2s);
      EXPECT_EQ(current_task().cancelling(), 0);
    }
  });
}

// W5.
TEST_F(TimeoutScopeTest, ABlockThatSwallowsItKeepsItsResultAndTheTaskItsPeace) {
  run([&] {
    EXPECT_EQ(timeout(10ms,
                      [&](Timeout& scope) {
                        try {
                          sleep(1s);
                        } catch (const CancelledError&) {
                        }
                        EXPECT_TRUE(scope.expired());
                        EXPECT_EQ(current_task().cancelling(), 1);
                        sleep(10ms);  // not cancelled again
                        return 1;
                      }),
              1);
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(10ms);
  });
  EXPECT_EQ(elapsed_ms(), 30);
}

// W6.
TEST_F(TimeoutScopeTest, TheCleanUpMayOverrunTheDeadline) {
  run([&] {
    mark(ending_of([] {
      timeout(1s, [] {
        try {
          sleep(10s);
        } catch (const CancelledError&) {
          sleep(3s);
          throw;
        }
      });
    }));
  });
  EXPECT_EQ(events, Trace{"4000 TimeoutError"});
}

// W10. CPython: test_timeouts.py, test_timeout_after_cancellation.
TEST_F(TimeoutScopeTest, AnEarlierCancellationThatWasSwallowedDoesNotCount) {
  run([&] {
    auto task = create_task([&] {
      current_task().cancel();
      EXPECT_EQ(ending_of([] { sleep(1s); }), "CancelledError");
      EXPECT_EQ(ending_of([] { timeout(0ms, [] { sleep(1s); }); }), "TimeoutError");
      EXPECT_EQ(current_task().cancelling(), 1);
      EXPECT_EQ(ending_of([] { timeout(1s, [] { sleep(2s); }); }), "TimeoutError");
      EXPECT_EQ(current_task().cancelling(), 1);
    });
    await(task);
  });
  EXPECT_EQ(elapsed_ms(), 1000);
}

// CPython: test_timeouts.py, test_cancel_in_timeout_after_cancellation.
TEST_F(TimeoutScopeTest, ACancellationInTheBlockCountsOnTopOfAnEarlierOne) {
  run([&] {
    auto task = create_task([&] {
      current_task().cancel();
      EXPECT_EQ(ending_of([] { sleep(1s); }), "CancelledError");
      EXPECT_EQ(ending_of([] {
                  timeout(1s, [] {
                    current_task().cancel();
                    sleep(2s);
                  });
                }),
                "CancelledError");
      EXPECT_EQ(current_task().cancelling(), 2);
    });
    await(task);
  });
}

// W11: gh-134471, open in CPython. As there, a pending cancellation meets a deadline of zero and becomes its.
TEST_F(TimeoutScopeTest, AnUndeliveredCancellationBeforeADeadlineOfZeroBecomesTimeoutError) {
  run([&] {
    auto task = create_task([&] {
      current_task().cancel();
      EXPECT_EQ(ending_of([] { timeout(0ms, [] { sleep(1s); }); }), "TimeoutError");
      EXPECT_EQ(current_task().cancelling(), 1);
    });
    await(task);
  });
}

// W11.
TEST_F(TimeoutScopeTest, AnUndeliveredCancellationBeforeALaterDeadlineStaysACancellation) {
  run([&] {
    auto task = create_task([&] {
      current_task().cancel();
      timeout(1s, [] { sleep(2s); });
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError");
  });
  EXPECT_EQ(elapsed_ms(), 0);
}

// W9, three deep.
TEST_F(TimeoutScopeTest, OfThreeExpiredTogetherOnlyTheOutermostConverts) {
  run([&] {
    const TimePoint at = loop().time() + 10ms;
    const auto nest = [&](auto&& self, int depth) -> void {
      timeout_at(at, [&](Timeout& scope) {
        const std::string end = ending_of([&] {
          if (depth == 3) {
            sleep(1s);
          } else {
            self(self, depth + 1);
          }
        });
        mark(std::to_string(depth) + (scope.expired() ? " expired: " : ": ") + end);
        throw CancelledError();
      });
    };
    mark(ending_of([&] { nest(nest, 1); }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"10 3 expired: CancelledError", "10 2 expired: CancelledError",
                           "10 1 expired: CancelledError", "10 TimeoutError"}));
}

TEST_F(TimeoutScopeTest, ALoopOfTimeoutsNeverAccumulatesCancellations) {
  run([&] {
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(ending_of([] { timeout(1ms, [] { sleep(1s); }); }), "TimeoutError");
      EXPECT_EQ(current_task().cancelling(), 0);
    }
  });
  EXPECT_EQ(elapsed_ms(), 100);
}

TEST_F(TimeoutScopeTest, CancelsOnlyItsOwnTask) {
  run([&] {
    auto other = create_task(worker("other", 20ms));
    EXPECT_EQ(ending_of([&] { timeout(10ms, [&] { await(shield(other)); }); }), "TimeoutError");
    EXPECT_EQ(other.cancelling(), 0);
    await(other);
  });
  EXPECT_EQ(events, Trace{"20 other done"});
}

}  // namespace
}  // namespace coir::test
