// SPDX-License-Identifier: MIT
// timeout() and timeout_at(): when a block ends, and how. The Timeout inside: timeout_scope_test.cpp.
#include "combinators_test.hpp"

#include <limits>
#include <memory>

namespace coir::test {
namespace {

class TimeoutTest : public CombinatorTest {};

// CPython: test_timeouts.py, test_timeout_basic, test_waiter_cancelled.
TEST_F(TimeoutTest, AtTheDeadlineTheBlockSeesCancelledErrorAndItsCallerTimeoutError) {
  run([&] {
    mark(ending_of([&] {
      timeout(10ms, [&](Timeout& scope) {
        try {
          sleep(10s);
        } catch (const CancelledError&) {
          mark("cancelled");
          EXPECT_TRUE(scope.expired());
          throw;
        }
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"10 cancelled", "10 TimeoutError"}));
}

// CPython: test_timeouts.py, test_timeout_at_basic.
TEST_F(TimeoutTest, TakesATimePoint) {
  run([&] {
    clock.advance(1s);
    const TimePoint deadline = loop().time() + 10ms;
    mark(ending_of([&] {
      timeout_at(deadline, [&](Timeout& scope) {
        EXPECT_EQ(scope.when(), deadline);
        sleep(10s);
      });
    }));
  });
  EXPECT_EQ(events, Trace{"1010 TimeoutError"});
}

TEST_F(TimeoutTest, ReturnsWhatTheBlockReturns) {
  run([&] {
    EXPECT_EQ(timeout(1s, [] { return 1; }), 1);
    EXPECT_EQ(timeout(1s, [](Timeout&) { return std::string("two"); }), "two");
    EXPECT_EQ(*timeout(1s, [] { return std::make_unique<int>(3); }), 3);
    int value = 4;
    EXPECT_EQ(&timeout(1s, [&]() -> int& { return value; }), &value);
    EXPECT_EQ(&timeout_at(std::nullopt, [&](Timeout&) -> const int& { return value; }), &value);
    int copies = 0;
    static_cast<void>(timeout(1s, [&] { return Counted(copies); }));
    EXPECT_EQ(copies, 0);
  });
}

// W9. CPython: test_timeouts.py, test_nested_timeouts.
TEST_F(TimeoutTest, OfNestedEqualDeadlinesTheOutermostThrowsTimeoutError) {
  run([&] {
    const TimePoint deadline = loop().time() + 10ms;
    mark("outer " + ending_of([&] {
      timeout_at(deadline, [&](Timeout& outer) {
        try {
          timeout_at(deadline, [&](Timeout& inner) {
            try {
              sleep(10s);
            } catch (const CancelledError&) {
              EXPECT_TRUE(inner.expired());
              throw;
            }
          });
        } catch (const CancelledError&) {
          EXPECT_TRUE(outer.expired());
          mark("inner CancelledError");
          throw;
        }
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"10 inner CancelledError", "10 outer TimeoutError"}));
}

// W9.
TEST_F(TimeoutTest, AnEarlierOuterDeadlineLeavesTheInnerOneUnexpired) {
  run([&] {
    mark(ending_of([&] {
      timeout(10ms, [&] {
        timeout(20ms, [&](Timeout& inner) {
          try {
            sleep(1s);
          } catch (const CancelledError&) {
            EXPECT_FALSE(inner.expired());
            throw;
          }
        });
      });
    }));
  });
  EXPECT_EQ(events, Trace{"10 TimeoutError"});
}

TEST_F(TimeoutTest, AnEarlierInnerDeadlineIsTheInnersOwn) {
  run([&] {
    timeout(20ms, [&](Timeout& outer) {
      mark(ending_of([&] { timeout(10ms, [] { sleep(1s); }); }));
      EXPECT_FALSE(outer.expired());
      sleep(5ms);
    });
  });
  EXPECT_EQ(events, Trace{"10 TimeoutError"});
  EXPECT_EQ(elapsed_ms(), 15);
}

// CPython: test_timeouts.py, test_nested_timeouts_concurrent, test_nested_timeouts_loop_busy.
TEST_F(TimeoutTest, BothDeadlinesPassedWhileTheLoopWasBusy) {
  run([&] {
    mark("outer " + ending_of([&] {
      timeout(2ms, [&] {
        mark("inner " + ending_of([&] {
          timeout(100ms, [&] {
            clock.advance(10ms);  // the outer deadline passes
            sleep(1s);
          });
        }));
        throw CancelledError();
      });
    }));
    mark("outer " + ending_of([&] {
      timeout(100ms, [&] {
        mark("inner " + ending_of([&] {
          timeout(10ms, [&] {
            clock.advance(90ms);  // the inner one only
            sleep(1s);
          });
        }));
        sleep(10s);  // ended by the outer
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"10 inner CancelledError", "10 outer TimeoutError", "100 inner TimeoutError",
                           "110 outer TimeoutError"}));
}

// CPython: test_timeouts.py, test_timeout_not_called.
TEST_F(TimeoutTest, ABlockInTimeIsLeftAloneAndSoIsTheTimer) {
  run([&] {
    timeout(10s, [&](Timeout& scope) {
      sleep(10ms);
      EXPECT_FALSE(scope.expired());
      EXPECT_GT(*scope.when(), loop().time());
    });
    EXPECT_EQ(loop().stats().timers, 0U);
    sleep(20s);
  });
}

// CPython: test_timeouts.py, test_timeout_disabled, test_timeout_at_disabled.
TEST_F(TimeoutTest, NoDeadlineIsNever) {
  run([&] {
    timeout_at(std::nullopt, [](Timeout& scope) {
      EXPECT_FALSE(scope.when().has_value());
      sleep(24h);
      EXPECT_FALSE(scope.expired());
    });
  });
}

// W8. CPython: test_timeouts.py, test_timeout_zero, test_timeout_zero_sleep_zero, test_timeout_in_the_past_sleep_zero.
TEST_F(TimeoutTest, APassedDeadlineTakesEffectAtTheFirstSuspension) {
  run([&] {
    for (const Duration delay : {Duration(0ms), Duration(-11s)}) {
      for (const Duration pause : {Duration(10s), Duration(0ms)}) {
        EXPECT_EQ(ending_of([&] {
                    timeout(delay, [&](Timeout& scope) {
                      EXPECT_FALSE(scope.expired());
                      EXPECT_EQ(*scope.when(), loop().time() + delay);
                      sleep(pause);
                    });
                  }),
                  "TimeoutError");
      }
    }
  });
  EXPECT_EQ(elapsed_ms(), 0);
}

// W8.
TEST_F(TimeoutTest, APassedDeadlineDoesNotTouchABlockThatNeverSuspends) {
  run([&] {
    EXPECT_EQ(timeout(0ms,
                      [&](Timeout& scope) {
                        const int value = await(done_future(1));
                        await(gather(done_future(2)));
                        EXPECT_FALSE(scope.expired());
                        return value;
                      }),
              1);
    sleep(0ms);  // and does not come later
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

// CPython: test_timeouts.py, test_foreign_exception_passed.
TEST_F(TimeoutTest, AFailureOfTheBlockPasses) {
  run([&] {
    EXPECT_EQ(ending_of([] { timeout(10ms, [] { throw Boom(); }); }), "Boom: boom");
    sleep(20ms);
  });
}

// W6. CPython: test_timeouts.py, test_foreign_exception_on_timeout, test_foreign_exception_on_timeout_2.
TEST_F(TimeoutTest, AFailureOfTheCleanUpPassesToo) {
  run([&] {
    mark(ending_of([] {
      timeout(10ms, [] {
        try {
          sleep(1s);
        } catch (const CancelledError&) {
          throw Boom("clean-up");
        }
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(20ms);
  });
  EXPECT_EQ(events, Trace{"10 Boom: clean-up"});
}

// CPython: test_timeouts.py, test_timeout_exception_context: the deadline comes while another exception is handled.
TEST_F(TimeoutTest, ExpiresInACatchBlockToo) {
  run([&] {
    mark(ending_of([] {
      timeout(10ms, [] {
        try {
          throw Boom();
        } catch (const Boom&) {
          sleep(1s);
          throw;
        }
      });
    }));
  });
  EXPECT_EQ(events, Trace{"10 TimeoutError"});
}

// P6: nothing is delivered while an exception unwinds the stack; the failure then wins.
TEST_F(TimeoutTest, DoesNotInterruptADestructorDuringUnwinding) {
  struct Cleanup {
    ~Cleanup() { sleep(1s); }
  };
  run([&] {
    mark(ending_of([] {
      timeout(10ms, [] {
        const Cleanup cleanup;
        throw Boom("unwinds");
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(1ms);  // the undelivered cancellation was withdrawn with the timeout
  });
  EXPECT_EQ(events, Trace{"1000 Boom: unwinds"});
}

// CPython: test_timeouts.py, test_foreign_cancel_doesnt_timeout_if_not_expired.
TEST_F(TimeoutTest, ACancellationByOthersBeforeTheDeadlinePasses) {
  run([&] {
    auto task = create_task([&] {
      timeout(10s, [&] {
        current_task().cancel("mine");
        sleep(10s);
      });
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: mine");
    EXPECT_EQ(task.cancelling(), 1);
  });
  EXPECT_EQ(elapsed_ms(), 0);
}

// CPython: test_timeouts.py, test_outer_task_is_not_cancelled.
TEST_F(TimeoutTest, ATaskWhoseTimeoutExpiredIsNotCancelled) {
  run([&] {
    auto task = create_task([] {
      try {
        timeout(1ms, [] { sleep(10s); });
      } catch (const TimeoutError&) {
      }
    });
    await(task);
    EXPECT_FALSE(task.cancelled());
  });
}

// W7.
TEST_F(TimeoutTest, CancellationAndDeadlineTogetherAreACancellation) {
  run([&] {
    for (const bool cancel_first : {true, false}) {
      Task<void> task;
      const auto cancel = [&] { task.cancel("by others"); };
      if (cancel_first) loop().call_later(10ms, cancel);
      task = create_task([] { timeout(10ms, [] { sleep(1s); }); });
      sleep(0ms);
      if (!cancel_first) loop().call_later(10ms, cancel);
      EXPECT_EQ(ending_of([&] { await(task); }), cancel_first ? "CancelledError: by others" : "CancelledError");
      EXPECT_EQ(task.cancelling(), 1);
    }
  });
}

// CPython: test_timeouts.py, test_nested_timeout_in_finally.
TEST_F(TimeoutTest, ATimeoutMayRunInTheCleanUpOfAnother) {
  run([&] {
    mark("outer " + ending_of([&] {
      timeout(10ms, [&] {
        try {
          sleep(1s);
        } catch (const CancelledError&) {
          mark("inner " + ending_of([] { timeout(10ms, [] { sleep(10s); }); }));
          throw;
        }
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"20 inner TimeoutError", "20 outer TimeoutError"}));
}

TEST_F(TimeoutTest, NeedsATaskAndADuration) {
  EXPECT_THROW(timeout(1s, [] {}), UsageError);
  EXPECT_THROW(timeout_at(std::nullopt, [] {}), UsageError);
  // CPython: test_timeouts.py, test_timeout_without_task.
  loop().call_soon([] { EXPECT_THROW(timeout(1s, [] {}), UsageError); });
  run_ready();
  run([&] {
    const std::chrono::duration<double> nan(std::numeric_limits<double>::quiet_NaN());
    EXPECT_THROW(timeout(nan, [] {}), std::invalid_argument);
  });
}

}  // namespace
}  // namespace coir::test
