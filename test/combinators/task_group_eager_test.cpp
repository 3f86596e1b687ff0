// SPDX-License-Identifier: MIT
// Children of a task group whose first step runs inside create_task().
#include <coir/context.hpp>
#include <coir/task_group.hpp>

#include "task_group_test.hpp"

namespace coir::test {
namespace {

class TaskGroupEagerTest : public TaskGroupFixture {
 protected:
  template <class Fn>
  static auto start(TaskGroup& group, Fn&& fn) {
    return group.create_task(std::forward<Fn>(fn), TaskOptions{.eager_start = true});
  }
};

TEST_F(TaskGroupEagerTest, AChildThatEndsAtOnceIsNoLongerThere) {
  run([&] {
    EXPECT_EQ(turns_of([&] {
                task_group([&](TaskGroup& group) {
                  auto child = start(group, worker("child", 0s, 1));
                  mark("started");
                  EXPECT_EQ(group.size(), 1U);
                  EXPECT_EQ(await(child), 1);
                  EXPECT_EQ(await(start(group, [] { return 2; })), 2);
                });
              }),
              2U);
    EXPECT_EQ(turns_of([&] {
                task_group([&](TaskGroup& group) {
                  start(group, [] {});
                  EXPECT_EQ(group.size(), 0U);
                });
              }),
              0U);
  });
  EXPECT_EQ(events, (Trace{"0 started", "0 child done"}));
}

// E2.
TEST_F(TaskGroupEagerTest, AChildThatFailsAtOnceCancelsTheBlockAtItsNextAwait) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        start(group, [] { throw Boom("child"); });
        mark("started");
        EXPECT_EQ(current_task().cancelling(), 0);
        group.create_task(worker("sibling", 1s));
        body_sleeps();
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"0 started", "0 body cancelled", "0 group(Boom: child)"}));  // the sibling never began
}

// E2: 3.12.1 leaked the cancellation past the group.
TEST_F(TaskGroupEagerTest, AChildThatFailsAtOnceUnderABlockThatDoesNotWaitIsAnErrorAndNoMore) {
  run([&] {
    EXPECT_EQ(group_ending_of([] {
                task_group([](TaskGroup& group) { start(group, [] { throw Boom("child"); }); });
              }),
              "group(Boom: child)");
    EXPECT_EQ(current_task().cancelling(), 0);
    EXPECT_EQ(ending_of([] { sleep(0s); }), "returned");
  });
}

// TG14, gh-155418: there the child that calls cancel() was never cancelled itself, and the group waited for ever.
TEST_F(TaskGroupEagerTest, AChildThatEndsTheGroupBeforeItFirstSuspendsIsCancelledToo) {
  run([&] {
    task_group([&](TaskGroup& group) {
      start(group, [&] {
        group.cancel();
        worker("child", 1h)();
      });
      mark("started");
    });
    mark("behind");
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"0 started", "0 child cancelled", "0 behind"}));
}

TEST_F(TaskGroupEagerTest, BehindACancelAChildRunsUpToItsFirstAwait) {
  run([&] {
    task_group([&](TaskGroup& group) {
      group.cancel();
      start(group, worker("child", 1h));
    });
  });
  EXPECT_EQ(events, (Trace{"0 child cancelled"}));
}

TEST_F(TaskGroupEagerTest, AKeyboardInterruptOfAChildLeavesTheBlock) {
  run([&] {
    EXPECT_EQ(group_ending_of([&] {
                task_group([&](TaskGroup& group) {
                  group.create_task(worker("sibling", 1h));
                  sleep(0s);
                  start(group, [] { throw KeyboardInterrupt(); });
                  mark("not reached");
                });
              }),
              "coir::KeyboardInterrupt");
  });
  EXPECT_EQ(events, (Trace{"0 sibling cancelled"}));
  expected_reports = reports;
}

// CPython: test_taskgroups.py, test_taskgroup_task_context.
TEST_F(TaskGroupEagerTest, ChildrenRunInTheContextThatTheyAreGiven) {
  ContextVar<int> variable("variable");
  run([&] {
    task_group([&](TaskGroup& group) {
      const Context context = copy_context();
      EXPECT_EQ(context.get(variable), std::nullopt);
      for (const int value : {1, 2}) {
        await(group.create_task(
            [&variable, value] {
              sleep(0s);
              static_cast<void>(variable.set(value));
            },
            TaskOptions{.context = context}));
        EXPECT_EQ(context.get(variable), value);
      }
    });
  });
}

}  // namespace
}  // namespace coir::test
