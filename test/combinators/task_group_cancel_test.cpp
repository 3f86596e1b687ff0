// SPDX-License-Identifier: MIT
// task_group() in a task that is cancelled from outside, and the count of cancellations.
#include <coir/task_group.hpp>

#include "task_group_test.hpp"

namespace coir::test {
namespace {

class TaskGroupCancelTest : public TaskGroupFixture {
 protected:
  /// Runs fn as a task, cancels it at each of these times, and marks how it ends and its count.
  template <class Fn>
  void cancel_at(std::initializer_list<Duration> times, Fn fn) {
    run([&] {
      auto runner = create_task(fn);
      for (const Duration when : times) loop().call_later(when, [runner] { runner.cancel("outside"); });
      wait(std::vector{runner});
      mark(group_ending_of([&] { await(runner); }));
      EXPECT_EQ(runner.cancelling(), static_cast<int>(times.size()));
    });
  }
};

// CPython: test_taskgroups.py, test_cancellation, test_taskgroup_22.
TEST_F(TaskGroupCancelTest, CancelledWhileItWaitsItCancelsTheChildrenInOrderOfCreation) {
  // TG12: asyncio cancels in the order of a set.
  cancel_at({100ms}, [&] {
    task_group([&](TaskGroup& group) {
      for (const char* name : {"1", "2", "3", "4", "5"}) group.create_task(worker(name, 5s));
    });
  });
  EXPECT_EQ(events, (Trace{"100 1 cancelled", "100 2 cancelled", "100 3 cancelled", "100 4 cancelled",
                           "100 5 cancelled", "100 CancelledError: outside"}));
}

// CPython: test_taskgroups.py, test_taskgroup_07.
TEST_F(TaskGroupCancelTest, CancelledInItsBlockItCancelsTheChildrenBehindTheBlock) {
  cancel_at({100ms}, [&] {
    task_group([&](TaskGroup& group) {
      group.create_task(worker("1", 5s));
      group.create_task(worker("2", 5s));
      body_sleeps();
    });
  });
  EXPECT_EQ(events, (Trace{"100 body cancelled", "100 1 cancelled", "100 2 cancelled", "100 CancelledError: outside"}));
}

// CPython: test_taskgroups.py, test_taskgroup_17.
TEST_F(TaskGroupCancelTest, CancelledInItsBlockWithoutChildrenItEndsAtOnce) {
  cancel_at({100ms}, [&] { task_group([&](TaskGroup&) { body_sleeps(); }); });
  EXPECT_EQ(events, (Trace{"100 body cancelled", "100 CancelledError: outside"}));
}

// CPython: test_taskgroups.py, test_taskgroup_18.
TEST_F(TaskGroupCancelTest, ABlockThatThrowsInsteadOfCancelledErrorIsAnError) {
  cancel_at({100ms}, [&] { task_group([&](TaskGroup&) { crash_when_cancelled("block")(); }); });
  EXPECT_EQ(events, (Trace{"100 group(Boom: block)"}));
}

// CPython: test_taskgroups.py, test_taskgroup_08.
TEST_F(TaskGroupCancelTest, ErrorsOfTheCleanUpComeBeforeTheCancellation) {
  cancel_at({100ms}, [&] {
    task_group([&](TaskGroup& group) {
      group.create_task(crash_when_cancelled("1"));
      group.create_task(crash_when_cancelled("2"));
      body_sleeps();
    });
  });
  EXPECT_EQ(events, (Trace{"100 body cancelled", "100 group(Boom: 1, Boom: 2)"}));
}

// CPython: test_taskgroups.py, test_taskgroup_11, test_taskgroup_12.
TEST_F(TaskGroupCancelTest, ErrorsOfTheCleanUpOfAnInnerGroupAreAGroupInTheOuterOne) {
  for (const bool with_child : {false, true}) {
    cancel_at({100ms}, [&] {
      task_group([&](TaskGroup& outer) {
        if (with_child) outer.create_task([] { sleep(10s); });
        task_group([&](TaskGroup& inner) {
          inner.create_task(crash_when_cancelled("1"));
          inner.create_task(crash_when_cancelled("2"));
          sleep(10s);
        });
      });
    });
  }
  EXPECT_EQ(events, (Trace{"100 group(group(Boom: 1, Boom: 2))", "200 group(group(Boom: 1, Boom: 2))"}));
}

// CPython: test_taskgroups.py, test_taskgroup_15.
TEST_F(TaskGroupCancelTest, AFailureDuringTheCleanUpOfACancelledBlockIsThrownInstead) {
  cancel_at({100ms}, [&] {
    task_group([&](TaskGroup& group) {
      group.create_task(crash(300ms));
      slow_to_end("body", 500ms)();
    });
  });
  // The failure cancels the block's task once more: its clean-up is cut short.
  EXPECT_EQ(events, (Trace{"100 body cancelled", "300 group(Boom: child)"}));
}

// CPython: test_taskgroups.py, test_taskgroup_16.
TEST_F(TaskGroupCancelTest, ACancellationReachesAGroupInAnAwaitedTask) {
  cancel_at({100ms}, [&] {
    await(create_task([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(300ms));
        slow_to_end("body", 500ms)();
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"100 body cancelled", "300 group(Boom: child)"}));
}

// TG3.
TEST_F(TaskGroupCancelTest, ASecondCancellationDoesNotDisturbTheCleanUpOfTheChildren) {
  cancel_at({1s, 2s}, [&] { task_group([&](TaskGroup& group) { group.create_task(slow_to_end("child", 3s)); }); });
  EXPECT_EQ(events, (Trace{"1000 child cancelled", "4000 child cleaned up", "4000 CancelledError: outside"}));
}

// TG7.
TEST_F(TaskGroupCancelTest, ACancellationBehindAFailureIsDeliveredBehindTheGroup) {
  run([&] {
    auto runner = create_task([&] {
      mark(group_ending_of([&] {
        task_group([&](TaskGroup& group) {
          auto child = group.create_task(crash(1s));
          // Behind the group's callback, in one turn with it.
          child.add_done_callback([self = current_task()] { self.cancel(); });
          body_sleeps();
        });
      }));
      EXPECT_EQ(current_task().cancelling(), 1);
      mark("next await: " + ending_of([] { sleep(1s); }));
    });
    await(runner);
    EXPECT_EQ(runner.cancelling(), 1);
  });
  EXPECT_EQ(events, (Trace{"1000 body cancelled", "1000 group(Boom: child)", "1000 next await: CancelledError"}));
}

// CPython: test_taskgroups.py, test_error_and_cancel.
TEST_F(TaskGroupCancelTest, ACancellationInTheTurnOfAFailureIsDeliveredBehindTheGroup) {
  run([&] {
    auto event = future<void>();
    auto runner = create_task([&] {
      mark(group_ending_of([&] {
        task_group([&](TaskGroup& group) {
          group.create_task([&] {
            event.set_result();
            sleep(0s);
            throw Boom("child");
          });
          body_sleeps();
        });
      }));
      EXPECT_EQ(current_task().cancelling(), 1);
      sleep(1s);
      mark("not reached");
    });
    await(event);
    EXPECT_EQ(runner.cancelling(), 0);
    runner.cancel();
    EXPECT_EQ(runner.cancelling(), 1);
    mark(group_ending_of([&] { await(runner); }));
    EXPECT_TRUE(runner.cancelled());
  });
  EXPECT_EQ(events, (Trace{"0 body cancelled", "0 group(Boom: child)", "0 CancelledError"}));
}

// TG7, the other order.
TEST_F(TaskGroupCancelTest, ACancellationBeforeAFailureCancelsTheChildBeforeItFails) {
  run([&] {
    auto gate = future<void>();
    auto runner = create_task([&] {
      task_group([&](TaskGroup& group) {
        group.create_task([&] {
          await(gate);
          throw Boom("child");
        });
      });
    });
    sleep(0s);
    sleep(0s);
    runner.cancel();
    gate.set_result();
    mark(group_ending_of([&] { await(runner); }));
  });
  EXPECT_EQ(events, (Trace{"0 CancelledError"}));
}

// CPython: test_taskgroups.py, test_cancelling_level_preserved.
TEST_F(TaskGroupCancelTest, TheGroupTakesItsOwnRequestBack) {
  run([&] {
    EXPECT_EQ(group_ending_of([] { task_group([](TaskGroup& group) { group.create_task(crash(0s)); }); }),
              "group(Boom: child)");
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(0s);
  });
}

// TG8. CPython: test_taskgroups.py, test_nested_groups_both_cancelled.
TEST_F(TaskGroupCancelTest, TwoGroupsThatFailTogetherEachTakeTheirOwnRequestBack) {
  run([&] {
    mark("outer " + group_ending_of([&] {
           task_group([&](TaskGroup& outer) {
             mark("inner " + group_ending_of([&] {
                    task_group([&](TaskGroup& inner) {
                      inner.create_task(crash(0s, "inner"));
                      outer.create_task(crash(0s, "outer"));
                    });
                  }));
             EXPECT_EQ(current_task().cancelling(), 1);
           });
         }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"0 inner group(Boom: inner)", "0 outer group(Boom: outer)"}));
}

// TG13.
TEST_F(TaskGroupCancelTest, ATimeoutAroundAGroupIsATimeout) {
  run([&] {
    mark(group_ending_of([&] {
      timeout(100ms, [&] {
        task_group([&](TaskGroup& group) {
          group.create_task(worker("child", 1s));
          body_sleeps();
        });
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"100 body cancelled", "100 child cancelled", "100 TimeoutError"}));
}

TEST_F(TaskGroupCancelTest, AFailureInATimeoutIsNoTimeout) {
  run([&] {
    EXPECT_EQ(group_ending_of([&] {
                timeout(100ms, [&] {
                  task_group([&](TaskGroup& group) {
                    group.create_task(crash(50ms));
                    sleep(1s);
                  });
                });
              }),
              "group(Boom: child)");
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

TEST_F(TaskGroupCancelTest, ATimeoutInTheBlockStaysInTheBlock) {
  run([&] {
    task_group([&](TaskGroup& group) {
      group.create_task(worker("child", 1s));
      mark(ending_of([] { timeout(100ms, [] { sleep(1h); }); }));
    });
  });
  EXPECT_EQ(events, (Trace{"100 TimeoutError", "1000 child done"}));
}

TEST_F(TaskGroupCancelTest, ACancelledAwaitInTheBlockCancelsTheChildrenWithoutAnyRequest) {
  run([&] {
    auto future = loop().create_future<void>();
    loop().call_later(10ms, [future] { future.cancel(); });
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(worker("child", 1s));
        await(future);
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"10 child cancelled", "10 CancelledError"}));
}

// What a block waits on can be reached from outside. Cancelling that is a cancellation that nobody asked the task for.
TEST_F(TaskGroupCancelTest, CancellingWhatTheBlockWaitsOnCancelsTheChildren) {
  run([&] {
    auto runner =
        create_task([&] { task_group([&](TaskGroup& group) { group.create_task(slow_to_end("child", 1s)); }); });
    for (int i = 0; i < 2; ++i) loop().call_later(10ms, [runner] { runner.waiting_on().cancel(); });
    mark(group_ending_of([&] { await(runner); }));
  });
  EXPECT_EQ(events, (Trace{"10 child cancelled", "1010 child cleaned up", "1010 CancelledError"}));
}

}  // namespace
}  // namespace coir::test
