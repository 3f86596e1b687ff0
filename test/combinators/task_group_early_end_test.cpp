// SPDX-License-Identifier: MIT
// TaskGroup::cancel(). CPython 3.13 does not have it: the rules are 3.15's, without the bugs it came with (TG14).
#include <coir/task_group.hpp>

#include "task_group_test.hpp"

namespace coir::test {
namespace {

class TaskGroupEarlyEndTest : public TaskGroupFixture {};

// TG14.
TEST_F(TaskGroupEarlyEndTest, EndsTheChildrenAndTheBlockWithoutAnError) {
  run([&] {
    task_group([&](TaskGroup& group) {
      group.create_task(worker("1", 1h));
      group.create_task(slow_to_end("2", 1s));
      group.create_task([&] {
        sleep(10ms);
        group.cancel();
        mark("end");
      });
      body_sleeps();
    });
    mark("behind");
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"10 end", "10 1 cancelled", "10 2 cancelled", "10 body cancelled", "1010 2 cleaned up",
                           "1010 behind"}));
}

TEST_F(TaskGroupEarlyEndTest, EndsAGroupThatWaitsForItsChildren) {
  run([&] {
    TaskGroup* running = nullptr;
    loop().call_later(10ms, [&] { running->cancel(); });
    task_group([&](TaskGroup& group) {
      running = &group;
      group.create_task(worker("child", 1h));
    });
    mark("behind");
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"10 child cancelled", "10 behind"}));
}

// TG14.
TEST_F(TaskGroupEarlyEndTest, CountsOnce) {
  run([&] {
    task_group([&](TaskGroup& group) {
      auto child = group.create_task(slow_to_end("child", 1s));
      sleep(0s);
      group.cancel();
      group.cancel();
      EXPECT_EQ(current_task().cancelling(), 1);
      EXPECT_EQ(child.cancelling(), 1);
      EXPECT_EQ(ending_of([] { sleep(1ms); }), "CancelledError");
      sleep(1ms);
      group.cancel();
      EXPECT_EQ(child.cancelling(), 1);
    });
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"0 child cancelled", "1000 child cleaned up"}));
}

TEST_F(TaskGroupEarlyEndTest, ABlockThatReturnsBehindItKeepsItsResultAndItsTask) {
  run([&] {
    EXPECT_EQ(task_group([](TaskGroup& group) {
                group.cancel();
                return 1;
              }),
              1);
    EXPECT_EQ(ending_of([] { sleep(0s); }), "returned");
    EXPECT_EQ(task_group([](TaskGroup& group) {
                group.create_task([&] { group.cancel(); });
                try {
                  sleep(1h);
                } catch (const CancelledError&) {
                  return 2;
                }
                return 3;
              }),
              2);
  });
}

TEST_F(TaskGroupEarlyEndTest, ABlockThatDoesNotReturnItsResultIsAnError) {
  run([&] {
    const std::string ending = ending_of([] {
      return task_group([](TaskGroup& group) {
        group.create_task([&] { group.cancel(); });
        sleep(1h);
        return 1;
      });
    });
    EXPECT_EQ(ending.substr(0, ending.find(':', 6)), "coir::InvalidStateError");
  });
}

TEST_F(TaskGroupEarlyEndTest, ErrorsAreStillErrors) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash_when_cancelled("child"));
        sleep(0s);
        group.cancel();
        crash_when_cancelled("block")();
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"0 group(Boom: child, Boom: block)"}));
}

TEST_F(TaskGroupEarlyEndTest, BehindAFailureItChangesNothing) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(10ms));
        try {
          sleep(1h);
        } catch (const CancelledError&) {
          group.cancel();
          EXPECT_EQ(current_task().cancelling(), 1);
          throw;
        }
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"10 group(Boom: child)"}));
}

// TG14, gh-155433.
TEST_F(TaskGroupEarlyEndTest, ACancellationFromOutsideBehindItIsNotSwallowed) {
  for (const bool waiting : {false, true}) {
    SCOPED_TRACE(waiting ? "the block waits for its children" : "the block sleeps");
    run([&] {
      auto runner = create_task([&] {
        task_group([&](TaskGroup& group) {
          group.create_task([] {
            try {
              sleep(1h);
            } catch (const CancelledError&) {
              sleep(1s);
            }
          });
          loop().call_later(10ms, [&] { group.cancel(); });
          if (!waiting) sleep(1h);
        });
      });
      loop().call_later(20ms, [runner] { runner.cancel("outside"); });
      mark(ending_of([&] { await(runner); }));
      EXPECT_EQ(runner.cancelling(), 1);
    });
  }
  EXPECT_EQ(events, (Trace{"1010 CancelledError: outside", "2020 CancelledError: outside"}));
}

// TG14, gh-155433.
TEST_F(TaskGroupEarlyEndTest, ACancellationFromOutsideInTheSameTurnIsNotSwallowed) {
  for (const bool outside_first : {false, true}) {
    run([&] {
      auto runner = create_task([&] {
        const AnyTask self = current_task();
        task_group([&](TaskGroup& group) {
          loop().call_later(10ms, [&group, self, outside_first] {
            if (outside_first) self.cancel("outside");
            group.cancel();
            if (!outside_first) self.cancel("outside");
          });
          sleep(1h);
        });
      });
      mark(ending_of([&] { await(runner); }).substr(0, 14));
      EXPECT_EQ(runner.cancelling(), 1);
    });
  }
  EXPECT_EQ(events, (Trace{"10 CancelledError", "20 CancelledError"}));
}

TEST_F(TaskGroupEarlyEndTest, ACancellationFromOutsideThatTheBlockCaughtWithItsGroupsComesAgainBehindTheGroup) {
  run([&] {
    auto runner = create_task([&] {
      const AnyTask self = current_task();
      task_group([&](TaskGroup& group) {
        loop().call_later(10ms, [&group, self] {
          group.cancel();
          self.cancel();
        });
        EXPECT_EQ(ending_of([] { sleep(1h); }), "CancelledError");
      });
      mark("behind");
      EXPECT_EQ(current_task().cancelling(), 1);
      sleep(0s);
    });
    mark(ending_of([&] { await(runner); }));
  });
  EXPECT_EQ(events, (Trace{"10 behind", "10 CancelledError"}));
}

TEST_F(TaskGroupEarlyEndTest, ACancellationThatTheBlockSwallowedBeforeStaysSwallowed) {
  run([&] {
    current_task().cancel();
    EXPECT_EQ(ending_of([] { sleep(0s); }), "CancelledError");
    task_group([&](TaskGroup& group) {
      group.cancel();
      sleep(1h);
    });
    EXPECT_EQ(current_task().cancelling(), 1);
    EXPECT_EQ(ending_of([] { sleep(0s); }), "returned");
  });
}

TEST_F(TaskGroupEarlyEndTest, ATimeoutBehindItIsATimeout) {
  run([&] {
    mark(ending_of([&] {
      timeout(10ms, [&] {
        task_group([&](TaskGroup& group) {
          group.create_task(slow_to_end("child", 1s));
          sleep(0s);
          group.cancel();
          body_sleeps();
        });
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"0 child cancelled", "0 body cancelled", "1000 child cleaned up", "1000 TimeoutError"}));
}

TEST_F(TaskGroupEarlyEndTest, AnOuterGroupThatFailsBehindItStillFails) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& outer) {
        outer.create_task(crash(10ms, "outer"));
        task_group([&](TaskGroup& inner) {
          inner.create_task(slow_to_end("inner", 1s));
          sleep(0s);
          inner.cancel();
          body_sleeps();
        });
        mark("not reached");
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events,
            (Trace{"0 inner cancelled", "0 body cancelled", "1000 inner cleaned up", "1000 group(Boom: outer)"}));
}

TEST_F(TaskGroupEarlyEndTest, TheInnerGroupOfACancelledOneEndsWithIt) {
  run([&] {
    task_group([&](TaskGroup& outer) {
      loop().call_later(10ms, [&] { outer.cancel(); });
      task_group([&](TaskGroup& inner) { inner.create_task(worker("inner", 1h)); });
      mark("not reached");
    });
    mark("behind");
  });
  EXPECT_EQ(events, (Trace{"10 inner cancelled", "10 behind"}));
}

// TG14, gh-150355: there create_task() throws. A block that does not know of the cancel() yet need not guard against
// that.
TEST_F(TaskGroupEarlyEndTest, AChildStartedBehindItIsCancelledBeforeItBegins) {
  run([&] {
    Task<int> child;
    task_group([&](TaskGroup& group) {
      group.create_task(slow_to_end("other", 1s));
      sleep(0s);
      group.cancel();
      child = group.create_task(worker("child", 0s));
      EXPECT_EQ(ending_of([] { sleep(0s); }), "CancelledError");
      EXPECT_TRUE(child.cancelled());
      group.create_task(worker("another", 0s));
    });
  });
  EXPECT_EQ(events, (Trace{"0 other cancelled", "1000 other cleaned up"}));
}

// TG14: after exit. All that can be reached of it without touching a group that is gone.
TEST_F(TaskGroupEarlyEndTest, BehindTheLastChildItDoesNothing) {
  run([&] {
    task_group([&](TaskGroup& group) {
      auto child = group.create_task([] {});
      child.add_done_callback([&] {
        group.cancel();
        mark("cancelled");
      });
    });
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(0s);
  });
  EXPECT_EQ(events, (Trace{"0 cancelled"}));
}

}  // namespace
}  // namespace coir::test
