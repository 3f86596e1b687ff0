// SPDX-License-Identifier: MIT
// Barrier: reset() and abort().
#include <coir/barrier.hpp>

#include "locks_test.hpp"

namespace coir::test {
namespace {

class BarrierBrokenTest : public LocksTest {
 protected:
  static constexpr int n = 5;

  template <class Fn>
  static std::vector<Task<void>> make_tasks(int count, Fn fn) {
    std::vector<Task<void>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(create_task(fn));
    return tasks;
  }
  template <class Fn>
  static void run_tasks(int count, Fn fn) {
    await(gather(make_tasks(count, fn)));
  }
  /// Passes, or returns true if the barrier is broken.
  static bool broken(Barrier& barrier) {
    try {
      barrier.wait();
      return false;
    } catch (const BrokenBarrierError&) {
      return true;
    }
  }
  static int count(const Trace& trace, const std::string& event) {
    int found = 0;
    for (const std::string& each : trace) found += each == event;
    return found;
  }
  static void expect_fresh(const Barrier& barrier) {
    EXPECT_EQ(barrier.n_waiting(), 0U);
    EXPECT_FALSE(barrier.broken());
  }
};

// K8. CPython: test_locks.py, BarrierTests.test_reset_barrier.
TEST_F(BarrierBrokenTest, ResetOfAnEmptyOneChangesNothing) {
  Barrier barrier(1);
  barrier.reset();  // needs no task
  expect_fresh(barrier);
  EXPECT_EQ(barrier.wait(), 0U);
}

// K8. CPython: test_locks.py, BarrierTests.test_reset_barrier_while_tasks_waiting.
TEST_F(BarrierBrokenTest, ResetThrowsAtThoseWhoWaitAndIsOverWhenTheyHaveLeft) {
  Barrier barrier(n);
  run([&] {
    auto tasks = make_tasks(n - 1, [&] { trace(ending_of([&] { barrier.wait(); })); });
    turn();
    EXPECT_EQ(barrier.n_waiting(), 4U);
    barrier.reset();
    EXPECT_EQ(barrier.n_waiting(), 0U);
    await(gather(tasks));
    run_tasks(n, [&] { barrier.wait(); });
  });
  EXPECT_EQ(events, Trace(4, "coir::BrokenBarrierError: Abort or reset of barrier"));
  expect_fresh(barrier);
}

// CPython: test_locks.py, BarrierTests.test_reset_barrier_when_tasks_half_draining.
TEST_F(BarrierBrokenTest, ResetHalfWayThroughTheDrainingThrowsAtTheRest) {
  Barrier barrier(n);
  int passed = 0;
  run([&] {
    run_tasks(n, [&] {
      if (broken(barrier)) {
        trace("broken");
      } else if (++passed == n - n / 2) {
        barrier.reset();
      }
    });
  });
  EXPECT_EQ(events, (Trace{"broken", "broken"}));
  expect_fresh(barrier);
}

// CPython: test_locks.py, BarrierTests.test_reset_barrier_when_tasks_half_draining_half_blocking.
TEST_F(BarrierBrokenTest, ResetDoesNotTouchThoseWhoWaitOutside) {
  Barrier barrier(n);
  int passed = 0;
  run([&] {
    run_tasks(n, [&] {
      if (broken(barrier)) {
        trace("broken inside");
        barrier.wait();
      } else if (++passed > n / 2) {
        barrier.reset();
        barrier.wait();
      } else if (broken(barrier)) {
        trace("broken outside");
      }
    });
  });
  EXPECT_EQ(events, (Trace{"broken inside", "broken inside"}));
  expect_fresh(barrier);
}

// CPython: test_locks.py, BarrierTests.test_reset_barrier_while_tasks_waiting_and_waiting_again.
TEST_F(BarrierBrokenTest, IsFilledAgainByThoseWhomResetThrewAt) {
  Barrier barrier(n);
  run([&] {
    auto tasks = make_tasks(n - 1, [&] {
      if (broken(barrier)) trace("broken");
      barrier.wait();
      trace("passed");
    });
    turn();
    barrier.reset();
    tasks.push_back(create_task([&] {
      barrier.wait();
      trace("passed");
    }));
    await(gather(tasks));
  });
  EXPECT_EQ(count(events, "broken"), n - 1);
  EXPECT_EQ(count(events, "passed"), n);
  expect_fresh(barrier);
}

// CPython: test_locks.py, BarrierTests.test_reset_barrier_while_tasks_draining.
TEST_F(BarrierBrokenTest, ResetByTheLastToLeaveThrowsAtNobody) {
  Barrier barrier(n);
  int passed = 0;
  run([&] {
    run_tasks(n, [&] {
      barrier.wait();
      if (++passed == n) {
        barrier.reset();
        barrier.wait();
      } else {
        trace(broken(barrier) ? "broken" : "second");
      }
      barrier.wait();
      trace("third");
    });
  });
  EXPECT_EQ(count(events, "broken"), 0);
  EXPECT_EQ(count(events, "second"), n - 1);
  EXPECT_EQ(count(events, "third"), n);
  expect_fresh(barrier);
}

// K8. CPython: test_locks.py, BarrierTests.test_abort_barrier.
TEST_F(BarrierBrokenTest, AbortBreaksItUntilReset) {
  Barrier barrier(1);
  barrier.abort();
  EXPECT_EQ(barrier.n_waiting(), 0U);
  EXPECT_TRUE(barrier.broken());
  EXPECT_EQ(ending_of([&] { barrier.wait(); }), "coir::BrokenBarrierError: Barrier aborted");
  barrier.reset();
  EXPECT_EQ(barrier.wait(), 0U);
}

// K8.
TEST_F(BarrierBrokenTest, AbortThrowsAtThoseWhoWaitAndThoseWhoCome) {
  Barrier barrier(3);
  run([&] {
    auto tasks = make_tasks(2, [&] { trace(ending_of([&] { barrier.wait(); })); });
    turn();
    barrier.abort();
    await(gather(tasks));
    trace(ending_of([&] { barrier.wait(); }));
    EXPECT_TRUE(barrier.broken());
    barrier.reset();
    run_tasks(3, [&] { barrier.wait(); });
  });
  EXPECT_EQ(events, (Trace{"coir::BrokenBarrierError: Abort or reset of barrier",
                           "coir::BrokenBarrierError: Abort or reset of barrier",
                           "coir::BrokenBarrierError: Barrier aborted"}));
}

// CPython: test_locks.py, BarrierTests.test_abort_barrier_when_tasks_half_draining_half_blocking.
TEST_F(BarrierBrokenTest, AbortThrowsAtThoseInsideAndOutside) {
  Barrier barrier(n);
  int passed = 0;
  run([&] {
    run_tasks(n, [&] {
      if (broken(barrier)) {
        trace("broken inside");
      } else if (++passed > n / 2) {
        barrier.abort();
      } else if (broken(barrier)) {
        trace("broken outside");
      }
    });
  });
  EXPECT_TRUE(barrier.broken());
  EXPECT_EQ(count(events, "broken inside"), n / 2);
  EXPECT_EQ(count(events, "broken outside"), n - n / 2 - 1);
  EXPECT_EQ(barrier.n_waiting(), 0U);
}

// CPython: test_locks.py, BarrierTests.test_abort_barrier_when_exception.
TEST_F(BarrierBrokenTest, ATaskThatFailsMayAbortItForTheOthers) {
  Barrier barrier(n);
  run([&] {
    run_tasks(n, [&] {
      try {
        if (barrier.wait() == n / 2) throw Boom();
        barrier.wait();
        trace("passed");
      } catch (const BrokenBarrierError&) {
        trace("broken");
      } catch (const Boom&) {
        barrier.abort();
      }
    });
  });
  EXPECT_TRUE(barrier.broken());
  EXPECT_EQ(events, Trace(n - 1, "broken"));
  EXPECT_EQ(barrier.n_waiting(), 0U);
}

// CPython: test_locks.py, BarrierTests.test_abort_barrier_when_exception_then_resetting.
TEST_F(BarrierBrokenTest, ABrokenOneIsResetByOneWhileTheOthersWaitAtAnother) {
  Barrier barrier(n);
  Barrier meeting(n);
  run([&] {
    run_tasks(n, [&] {
      try {
        if (barrier.wait() == n / 2) throw Boom();
        barrier.wait();
        trace("not reached");
      } catch (const BrokenBarrierError&) {
        trace("broken");
      } catch (const Boom&) {
        barrier.abort();
      }
      if (meeting.wait() == n / 2) barrier.reset();
      meeting.wait();
      barrier.wait();
      trace("passed");
    });
  });
  EXPECT_EQ(count(events, "broken"), n - 1);
  EXPECT_EQ(count(events, "passed"), n);
  EXPECT_EQ(events.size(), static_cast<std::size_t>(2 * n - 1));
  expect_fresh(barrier);
}

TEST_F(BarrierBrokenTest, ATaskIsCancelledRatherThanBroken) {
  Barrier barrier(3);
  run([&] {
    auto tasks = make_tasks(2, [&] { trace(ending_of([&] { barrier.wait(); })); });
    turn();
    barrier.reset();
    tasks[0].cancel();
    await(gather(tasks));
    expect_fresh(barrier);
  });
  EXPECT_EQ(events, (Trace{"CancelledError", "coir::BrokenBarrierError: Abort or reset of barrier"}));
}

}  // namespace
}  // namespace coir::test
