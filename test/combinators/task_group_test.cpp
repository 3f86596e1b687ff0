// SPDX-License-Identifier: MIT
// task_group(): what its block returns and throws. Cancelled from outside: task_group_cancel_test.cpp; cancel():
// task_group_early_end_test.cpp; starting and forgetting children: task_group_children_test.cpp.
#include <coir/task_group.hpp>

#include "task_group_test.hpp"

#include <functional>
#include <memory>

namespace coir::test {
namespace {

class TaskGroupTest : public TaskGroupFixture {};

struct UserBaseException : BaseException {
  using BaseException::BaseException;
};

// CPython: test_taskgroups.py, test_taskgroup_01.
TEST_F(TaskGroupTest, WaitsForItsChildren) {
  run([&] {
    Task<int> a;
    Task<int> b;
    task_group([&](TaskGroup& group) {
      a = group.create_task(worker("a", 100ms, 42));
      b = group.create_task(worker("b", 200ms, 11));
      mark("block left");
    });
    mark("behind");
    EXPECT_EQ(a.result(), 42);
    EXPECT_EQ(b.result(), 11);
  });
  EXPECT_EQ(events, (Trace{"0 block left", "100 a done", "200 b done", "200 behind"}));
}

// CPython: test_taskgroups.py, test_taskgroup_02.
TEST_F(TaskGroupTest, ChildrenRunWhileTheBlockGoesOn) {
  run([&] {
    Task<int> b;
    task_group([&](TaskGroup& group) {
      group.create_task(worker("a", 100ms));
      sleep(150ms);
      b = group.create_task(worker("b", 200ms, 11));
    });
    EXPECT_EQ(b.result(), 11);
  });
  EXPECT_EQ(events, (Trace{"100 a done", "350 b done"}));
}

TEST_F(TaskGroupTest, ReturnsWhatTheBlockReturns) {
  run([&] {
    EXPECT_EQ(task_group([](TaskGroup&) { return 1; }), 1);
    EXPECT_EQ(*task_group([](TaskGroup&) { return std::make_unique<int>(2); }), 2);
    int value = 3;
    EXPECT_EQ(&task_group([&](TaskGroup&) -> int& { return value; }), &value);
    static_assert(std::is_void_v<decltype(task_group([](TaskGroup&) {}))>);
    // Its result is made before the children end.
    int counter = 0;
    EXPECT_EQ(task_group([&](TaskGroup& group) {
                group.create_task([&] { ++counter; });
                return counter;
              }),
              0);
    EXPECT_EQ(counter, 1);
  });
}

// TG11.
TEST_F(TaskGroupTest, WithoutChildrenItNeitherSuspendsNorDeliversACancellation) {
  run([&] {
    EXPECT_EQ(turns_of([] { task_group([](TaskGroup&) {}); }), 0U);
    current_task().cancel();
    EXPECT_EQ(ending_of([] { task_group([](TaskGroup&) {}); }), "returned");
    EXPECT_EQ(current_task().cancelling(), 1);
    EXPECT_EQ(ending_of([] { sleep(0s); }), "CancelledError");
  });
}

// TG1. CPython: test_taskgroups.py, test_taskgroup_03.
TEST_F(TaskGroupTest, AChildThatIsCancelledAloneConcernsNobodyElse) {
  run([&] {
    task_group([&](TaskGroup& group) {
      auto a = group.create_task(worker("a", 1s));
      group.create_task([] { throw CancelledError("by itself"); });
      sleep(150ms);
      a.cancel();
      group.create_task(worker("b", 200ms));
    });
    mark("behind");
  });
  EXPECT_EQ(events, (Trace{"150 a cancelled", "350 b done", "350 behind"}));
}

// CPython: test_taskgroups.py, test_taskgroup_04.
TEST_F(TaskGroupTest, AChildThatFailsCancelsItsSiblings) {
  run([&] {
    auto runner = create_task([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(100ms));
        group.create_task(worker("sibling", 1s));
      });
      mark("behind");
    });
    mark(group_ending_of([&] { await(runner); }));
  });
  EXPECT_EQ(events, (Trace{"100 sibling cancelled", "100 group(Boom: child)"}));
}

// CPython: test_taskgroups.py, test_cancel_children_on_child_error.
TEST_F(TaskGroupTest, AChildThatFailsCancelsTheBlockToo) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        for (const char* name : {"1", "2", "3"}) group.create_task(crash(100ms, name));
        group.create_task(worker("sibling", 5s));
        body_sleeps();
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  // Those that fail before the first failure is seen, in the next turn, are not cancelled any more.
  EXPECT_EQ(events, (Trace{"100 sibling cancelled", "100 body cancelled", "100 group(Boom: 1, Boom: 2, Boom: 3)"}));
}

// TG2.
TEST_F(TaskGroupTest, WaitsForTheCleanUpOfCancelledChildren) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(1s));
        group.create_task(slow_to_end("sibling", 3s));
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"1000 sibling cancelled", "4000 sibling cleaned up", "4000 group(Boom: child)"}));
}

TEST_F(TaskGroupTest, SaysWhatItIsInItsMessage) {
  run([&] {
    EXPECT_EQ(ending_of([] { task_group([](TaskGroup&) { throw Boom(); }); }),
              "coir::ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)");
  });
}

// CPython: test_taskgroups.py, test_taskgroup_09.
TEST_F(TaskGroupTest, ABlockThatThrowsCancelsTheChildren) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(worker("a", 1s));
        group.create_task(worker("b", 2s));
        sleep(100ms);
        throw Boom("block");
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"100 a cancelled", "100 b cancelled", "100 group(Boom: block)"}));
}

// CPython: test_taskgroups.py, test_taskgroup_10.
TEST_F(TaskGroupTest, ABlockThatThrowsAtOnceLeavesItsChildrenUnbegun) {
  run([&] {
    Task<int> child;
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        child = group.create_task(worker("child", 1s));
        throw Boom("block");
      });
    }));
    EXPECT_TRUE(child.cancelled());
  });
  EXPECT_EQ(events, (Trace{"0 group(Boom: block)"}));
}

// TG4. CPython: test_taskgroups.py, test_taskgroup_19.
TEST_F(TaskGroupTest, TheErrorsOfTheChildrenComeFirstAsTheyFailedThenTheBlocks) {
  run([&] {
    EXPECT_EQ(group_ending_of([&] {
                task_group([&](TaskGroup& group) {
                  group.create_task(crash_when_cancelled("second"));
                  group.create_task(crash(100ms, "first"));
                  crash_when_cancelled("block")();
                });
              }),
              "group(Boom: first, Boom: second, Boom: block)");
  });
}

// TG5. CPython: test_taskgroups.py, test_taskgroup_20.
TEST_F(TaskGroupTest, AKeyboardInterruptOfTheBlockLeavesBareBehindTheChildren) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(100ms));
        group.create_task(slow_to_end("child", 1s));
        try {
          sleep(10s);
        } catch (const CancelledError&) {
          throw KeyboardInterrupt();
        }
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
  });
  EXPECT_EQ(events, (Trace{"100 child cancelled", "1100 child cleaned up", "1100 coir::KeyboardInterrupt"}));
}

// TG5.
TEST_F(TaskGroupTest, ASystemExitOfTheBlockLeavesBareBehindTheChildren) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(slow_to_end("child", 1s));
        sleep(0s);
        throw SystemExit("bye");
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"0 child cancelled", "1000 child cleaned up", "1000 coir::SystemExit: bye"}));
}

// TG5. CPython's own test of it, _test_taskgroup_21, does not run there.
TEST_F(TaskGroupTest, AKeyboardInterruptOfAChildLeavesTheLoopAndThenTheGroupBare) {
  auto block = loop().create_task([&] {
    task_group([&](TaskGroup& group) {
      group.create_task([] {
        sleep(100ms);
        throw KeyboardInterrupt();
      });
      crash_when_cancelled("block")();
    });
  });
  EXPECT_THROW(run_until_stalled(loop()), KeyboardInterrupt);
  EXPECT_FALSE(block.done());
  EXPECT_THROW(run_until_stalled(loop()), KeyboardInterrupt);
  EXPECT_TRUE(block.done());
  EXPECT_EQ(block.cancelling(), 0);
  EXPECT_EQ(ending_of(block.exception()), "coir::KeyboardInterrupt");
}

// TG5. CPython: test_taskgroups.py, test_taskgroup_20a, test_taskgroup_21a.
TEST_F(TaskGroupTest, OtherBaseExceptionsAreGrouped) {
  run([&] {
    EXPECT_EQ(group_ending_of([&] {
                task_group([&](TaskGroup& group) {
                  group.create_task(crash(100ms));
                  try {
                    sleep(10s);
                  } catch (const CancelledError&) {
                    throw UserBaseException("block");
                  }
                });
              }),
              "group(Boom: child, " + describe(std::make_exception_ptr(UserBaseException("block"))) + ")");
    EXPECT_EQ(group_ending_of([&] {
                task_group([&](TaskGroup& group) {
                  group.create_task([] {
                    sleep(100ms);
                    throw UserBaseException("child");
                  });
                  crash_when_cancelled("block")();
                });
              }),
              "group(" + describe(std::make_exception_ptr(UserBaseException("child"))) + ", Boom: block)");
  });
}

// TG6.
TEST_F(TaskGroupTest, ABlockMaySwallowTheCancellationOfItsGroupAndIsThenLeftAlone) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& group) {
        group.create_task(crash(100ms));
        EXPECT_EQ(ending_of([] { sleep(1s); }), "CancelledError");
        sleep(1s);
        mark("end of the block");
      });
    }));
    EXPECT_EQ(current_task().cancelling(), 0);
    sleep(1s);
  });
  EXPECT_EQ(events, (Trace{"1100 end of the block", "1100 group(Boom: child)"}));
}

// CPython: test_taskgroups.py, test_taskgroup_context_manager_exit_raises.
TEST_F(TaskGroupTest, ABlockThatThrowsInItsCleanUpLosesNeitherErrorNorCount) {
  run([&] {
    EXPECT_EQ(group_ending_of([&] {
                task_group([&](TaskGroup& group) {
                  group.create_task(crash(0s));
                  crash_when_cancelled("database")();
                });
              }),
              "group(Boom: child, Boom: database)");
    EXPECT_EQ(current_task().cancelling(), 0);
  });
}

// TG9. CPython: test_taskgroups.py, test_taskgroup_13.
TEST_F(TaskGroupTest, AFailureInAnOuterGroupPassesThroughTheInnerOneUnwrapped) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& outer) {
        outer.create_task(crash(100ms, "outer"));
        task_group([&](TaskGroup& inner) { inner.create_task(worker("inner", 10s)); });
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"100 inner cancelled", "100 group(Boom: outer)"}));
}

// TG9. CPython: test_taskgroups.py, test_taskgroup_14.
TEST_F(TaskGroupTest, AFailureInAnInnerGroupArrivesInTheOuterOneAsAGroup) {
  run([&] {
    mark(group_ending_of([&] {
      task_group([&](TaskGroup& outer) {
        outer.create_task(worker("outer", 10s));
        task_group([&](TaskGroup& inner) { inner.create_task(crash(100ms, "inner")); });
      });
    }));
  });
  EXPECT_EQ(events, (Trace{"100 outer cancelled", "100 group(group(Boom: inner))"}));
}

// P4: the exception state belongs to the task.
TEST_F(TaskGroupTest, WorksInACatchBlockAndInADestructor) {
  struct AtTheEnd {
    explicit AtTheEnd(std::function<void()> call) : fn(std::move(call)) {}
    AtTheEnd(const AtTheEnd&) = delete;
    AtTheEnd& operator=(const AtTheEnd&) = delete;
    ~AtTheEnd() { fn(); }
    std::function<void()> fn;
  };
  run([&] {
    try {
      try {
        const AtTheEnd in_a_destructor([this] {
          const std::string ending =
              group_ending_of([&] { task_group([&](TaskGroup& group) { group.create_task(worker("a", 10ms)); }); });
          mark("in the destructor: " + ending);
        });
        throw Boom("outer");
      } catch (const Boom&) {
        mark(group_ending_of([&] { task_group([](TaskGroup& group) { group.create_task(crash(10ms)); }); }));
        throw;
      }
    } catch (const Boom& error) {
      mark(error.what());
    }
  });
  EXPECT_EQ(events, (Trace{"10 a done", "10 in the destructor: returned", "20 group(Boom: child)", "20 outer"}));
}

// CPython: test_taskgroups.py, test_taskgroup_without_parent_task.
TEST_F(TaskGroupTest, NeedsATask) {
  const auto group = [] { task_group([](TaskGroup&) {}); };
  EXPECT_THROW(group(), UsageError);
  loop().call_soon([&] { EXPECT_THROW(group(), UsageError); });
  run_ready();
}

}  // namespace
}  // namespace coir::test
