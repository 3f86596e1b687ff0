// SPDX-License-Identifier: MIT
// TaskGroup::create_task(): who may start children when, and what the group keeps of them.
#include <coir/task_group.hpp>

#include "task_group_test.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>

namespace coir::test {
namespace {

class TaskGroupChildrenTest : public TaskGroupFixture {
 protected:
  /// Calls create_task() on a group that is not active: marks why it is not, and that the callable is gone.
  void refused(TaskGroup& group) {
    auto owned = std::make_shared<int>(0);
    const std::weak_ptr<int> watch = owned;
    auto child = [owned = std::move(owned)] {};
    try {
      group.create_task(std::move(child));
      ADD_FAILURE() << "not refused";
    } catch (const UsageError& error) {
      EXPECT_EQ(error.reason(), UsageError::Reason::group_not_active);
      const std::string what = error.what();
      mark(what.find("is finished") != std::string::npos        ? "is finished"
           : what.find("is shutting down") != std::string::npos ? "is shutting down"
                                                                : what);
    }
    EXPECT_TRUE(watch.expired());
    const auto copied = [value = std::make_shared<int>(0)] {};
    EXPECT_THROW(group.create_task(copied), UsageError);  // somebody else's: left alone
  }
};

// CPython: test_taskgroups.py, test_taskgroup_24.
TEST_F(TaskGroupChildrenTest, ChildrenMayStartSiblingsWhileTheBlockWaits) {
  run([&] {
    task_group([&](TaskGroup& group) {
      group.create_task([&] {
        sleep(100ms);
        group.create_task(worker("a", 100ms));
        group.create_task(worker("b", 200ms));
        mark("started");
      });
    });
    mark("behind");
  });
  EXPECT_EQ(events, (Trace{"100 started", "200 a done", "300 b done", "300 behind"}));
}

// TG10. CPython: test_taskgroups.py, test_taskgroup_25.
TEST_F(TaskGroupChildrenTest, ChildrenThatStartTwoMoreEachAreEndedByAFailure) {
  run([&] {
    int heads = 0;
    EXPECT_EQ(group_ending_of([&] {
                task_group([&](TaskGroup& group) {
                  std::function<void()> hydra = [&] {
                    ++heads;
                    sleep(10ms);
                    group.create_task(hydra);
                    group.create_task(hydra);
                  };
                  group.create_task(hydra);
                  while (heads < 10) sleep(15ms);
                  throw Boom("hercules");
                });
              }),
              "group(Boom: hercules)");
    EXPECT_GE(heads, 10);
  });
}

// CPython: test_taskgroups.py, test_taskgroup_task_name.
TEST_F(TaskGroupChildrenTest, TakesTheOptionsOfATask) {
  run([&] {
    task_group([&](TaskGroup& group) {
      EXPECT_EQ(group.create_task([] {}, TaskOptions{.name = "yolo"}).get_name(), "yolo");
      EXPECT_EQ(*await(group.create_task([] { return std::make_unique<int>(1); })), 1);
      const std::string where = group.create_task([] {}).describe();
      EXPECT_NE(where.find("task_group_children_test.cpp:"), std::string::npos) << where;
    });
  });
}

// TG10. CPython: test_taskgroups.py, test_taskgroup_no_create_task_after_failure.
TEST_F(TaskGroupChildrenTest, RefusesChildrenWhileItShutsDown) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(1ms));
        group.create_task([&] {
          EXPECT_EQ(ending_of([] { sleep(1s); }), "CancelledError");
          refused(group);
        });
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"1 is shutting down", "1 group(Boom: child)"}));
}

// TG10.
TEST_F(TaskGroupChildrenTest, RefusesChildrenBehindABlockThatThrew) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task([&] {
          EXPECT_EQ(ending_of([] { sleep(1s); }), "CancelledError");
          refused(group);
        });
        sleep(0s);
        throw Boom("block");
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"0 is shutting down", "0 group(Boom: block)"}));
}

// TG10. CPython: test_taskgroups.py, test_taskgroup_finished, test_coro_closed_when_tg_closed.
TEST_F(TaskGroupChildrenTest, RefusesChildrenWhenItIsFinished) {
  run([&] {
    task_group([&](TaskGroup& group) {
      auto child = group.create_task([] {});
      child.add_done_callback([&] { refused(group); });  // behind the group's own
    });
    mark("behind");
  });
  EXPECT_EQ(events, (Trace{"0 is finished", "0 behind"}));
}

TEST_F(TaskGroupChildrenTest, ACallbackMayStartChildren) {
  run([&] {
    task_group([&](TaskGroup& group) {
      loop().call_soon([&] { group.create_task(worker("child", 1ms)); });
      sleep(0s);
    });
  });
  EXPECT_EQ(events, (Trace{"1 child done"}));
}

// CPython: test_taskgroups.py, test_taskgroup_23.
TEST_F(TaskGroupChildrenTest, ForgetsChildrenThatEnded) {
  run([&] {
    task_group([&](TaskGroup& group) {
      for (int i = 0; i < 10; ++i) {
        sleep(100ms);
        group.create_task([] { sleep(300ms); });
        if (i == 5) {
          EXPECT_LT(group.size(), 5U);
        }
      }
      EXPECT_EQ(group.size(), 4U);  // the first of them ends in this millisecond
      sleep(1350ms);
      EXPECT_EQ(group.size(), 0U);
    });
  });
}

TEST_F(TaskGroupChildrenTest, KeepsNothingOfAChildThatEnded) {
  run([&] {
    task_group([&](TaskGroup& group) {
      auto owned = std::make_shared<int>(1);
      const std::weak_ptr<int> result = owned;
      group.create_task([owned = std::move(owned)]() mutable { return std::move(owned); });
      sleep(0s);
      sleep(0s);
      EXPECT_TRUE(result.expired());
    });
  });
}

// For deadlock reports.
TEST_F(TaskGroupChildrenTest, ABlockThatWaitsSaysForWhom) {
  run([&] {
    auto runner = create_task([&] {
      task_group([&](TaskGroup& group) {
        group.create_task([] { sleep(1s); }, TaskOptions{.name = "a"});
        group.create_task([] {}, TaskOptions{.name = "ended"});
        group.create_task([] { sleep(2s); }, TaskOptions{.name = "b"});
      });
    });
    const auto waited_for = [&] {
      const AnyFuture exit = runner.waiting_on();
      mark(exit.describe().substr(0, exit.describe().find(':')));
      exit.state().each_awaited(
          [&](const detail::FutureState& task) { mark(static_cast<const detail::TaskState&>(task).name()); });
      return exit;
    };
    sleep(10ms);
    waited_for();
    sleep(1s);
    const AnyFuture exit = waited_for();
    await(runner);
    exit.state().each_awaited([&](const detail::FutureState&) { ADD_FAILURE() << "the group is gone"; });
  });
  EXPECT_EQ(events, (Trace{"10 task_group created at task_group_children_test.cpp", "10 a", "10 b",
                           "1010 task_group created at task_group_children_test.cpp", "1010 b"}));
}

// TG15 cannot happen: what is left of a group when its loop goes is a block that waits, and children that never get as
// far as to fail.
TEST_F(TaskGroupChildrenTest, ALoopThatGoesUnderAGroupReportsTheBlockAndItsChildren) {
  const auto lose_a_group = [] {
    VirtualClock own_clock;
    {
      EventLoop lost(LoopOptions{.clock = &own_clock});
      lost.set_exception_handler([](EventLoop&, const ExceptionContext& context) {
        std::fprintf(stderr, "%s,", context.subject.substr(0, context.subject.find(" created")).c_str());
      });
      const auto block = lost.create_task(
          [] {
            task_group([](TaskGroup& group) {
              group.create_task([] { sleep(1h); }, TaskOptions{.name = "asleep"});
              sleep(0s);
              group.create_task([] {}, TaskOptions{.name = "unbegun"});
              get_running_loop().stop();
            });
          },
          TaskOptions{.name = "block"});
      lost.run_forever();
    }
    std::fputs("went on\n", stderr);
    std::_Exit(0);
  };
  EXPECT_EXIT(lose_a_group(), ::testing::ExitedWithCode(0), "Task 'block',Task 'asleep',Task 'unbegun',went on");
}

}  // namespace
}  // namespace coir::test
