// SPDX-License-Identifier: MIT
// X6: exceptions in flight belong to the task, and an await is defined wherever they are.
#include "runtime_test.hpp"

#include <exception>
#include <stdexcept>

namespace coir::test {
namespace {

class ExceptionStateTest : public RuntimeTest {
 protected:
  /// Awaits in its destructor.
  struct Cleanup {
    ExceptionStateTest& test;
    std::string name;
    Duration takes;
    ~Cleanup() {
      test.trace(name + " cleans up, uncaught " + std::to_string(std::uncaught_exceptions()));
      sleep(takes);
      test.trace(name + " cleaned up, uncaught " + std::to_string(std::uncaught_exceptions()));
    }
  };
};

TEST_F(ExceptionStateTest, AwaitInCatchBlocksThatInterleaveRethrowsItsOwn) {  // X6, P4
  run([&] {
    const auto body = [](const std::string& own, int turns) {
      return [own, turns] {
        try {
          try {
            throw std::runtime_error(own);
          } catch (const std::runtime_error&) {
            for (int i = 0; i < turns; ++i) {
              sleep(0s);
              EXPECT_EQ(describe(std::current_exception()), "std::runtime_error: " + own);
            }
            throw;
          }
        } catch (const std::runtime_error& error) {
          EXPECT_EQ(error.what(), own);
        }
        EXPECT_EQ(std::current_exception(), nullptr);
      };
    };
    auto first = create_task(body("first", 3));
    auto second = create_task(body("second", 5));
    auto third = create_task(body("third", 1));
    EXPECT_EQ(std::current_exception(), nullptr);
    await(first);
    await(second);
    await(third);
  });
}

TEST_F(ExceptionStateTest, ATaskStartedInACatchBlockSeesNoExceptionInFlight) {  // X6
  run([&] {
    try {
      throw std::runtime_error("mine");
    } catch (const std::runtime_error&) {
      await(create_task([] {
        EXPECT_EQ(std::current_exception(), nullptr);
        EXPECT_EQ(std::uncaught_exceptions(), 0);
      }));
      EXPECT_EQ(describe(std::current_exception()), "std::runtime_error: mine");
    }
  });
}

TEST_F(ExceptionStateTest, AwaitInDestructorsDuringUnwinding) {  // X6, P4
  run([&] {
    const auto body = [this](const std::string& name, Duration takes) {
      return [this, name, takes] {
        try {
          const Cleanup cleanup{*this, name, takes};
          throw std::runtime_error(name);
        } catch (const std::runtime_error& error) {
          trace(std::string("caught ") + error.what());
        }
      };
    };
    auto slow = create_task(body("slow", 2s));
    auto fast = create_task(body("fast", 1s));
    loop().call_later(500ms, [] { EXPECT_EQ(std::uncaught_exceptions(), 0) << "in a callback meanwhile"; });
    await(slow);
    await(fast);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  });
  EXPECT_EQ(events, (Trace{"slow cleans up, uncaught 1", "fast cleans up, uncaught 1", "fast cleaned up, uncaught 1",
                           "caught fast", "slow cleaned up, uncaught 1", "caught slow"}));
}

TEST_F(ExceptionStateTest, CancelIsNotDeliveredWhileUnwindingButAtTheNextAwait) {  // X6, P6
  run([&] {
    auto task = create_task([&] {
      try {
        const Cleanup cleanup{*this, "task", 2s};
        throw std::runtime_error("x");
      } catch (const std::runtime_error&) {
        trace("caught");
      }
      sleep(1h);
    });
    sleep(1s);
    EXPECT_TRUE(task.cancel("while unwinding"));
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: while unwinding");
    EXPECT_EQ(elapsed_ms(), 2000) << "the destructor waited as long as it wanted to";
  });
  EXPECT_EQ(events, (Trace{"task cleans up, uncaught 1", "task cleaned up, uncaught 1", "caught"}));
}

TEST_F(ExceptionStateTest, CancelWhileADestructorYieldsIsNotDeliveredThere) {  // X6, P6
  run([&] {
    auto task = create_task([&] {
      try {
        const Cleanup cleanup{*this, "task", 0s};
        throw std::runtime_error("x");
      } catch (const std::runtime_error&) {
      }
      sleep(0s);
      trace("not reached");
    });
    sleep(0s);
    task.cancel();
    EXPECT_THROW(await(task), CancelledError);
  });
  EXPECT_EQ(events, (Trace{"task cleans up, uncaught 1", "task cleaned up, uncaught 1"}));
}

TEST_F(ExceptionStateTest, ARequestMadeBeforeAnAwaitOfADestructorDuringUnwindingIsKept) {  // X6
  run([&] {
    auto future = loop().create_future<void>();
    auto task = create_task([&] {
      try {
        const Cleanup cleanup{*this, "task", 1s};
        current_task().cancel("self");
        throw std::runtime_error("x");
      } catch (const std::runtime_error&) {
      }
      await(future);
    });
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: self");
    EXPECT_TRUE(future.cancelled());
  });
}

// X7: one request, one throw, so that a destructor which runs because of it may await.
TEST_F(ExceptionStateTest, CleanupOfACancelledTaskMayAwait) {
  run([&] {
    auto task = create_task([&] {
      const Cleanup cleanup{*this, "task", 1s};
      sleep(1h);
    });
    sleep(0s);
    task.cancel();
    EXPECT_THROW(await(task), CancelledError);
    EXPECT_EQ(elapsed_ms(), 1000);
  });
  EXPECT_EQ(events, (Trace{"task cleans up, uncaught 1", "task cleaned up, uncaught 1"}));
}

TEST_F(ExceptionStateTest, InACatchBlockCancelIsDelivered) {  // X6: nothing unwinds there
  run([&] {
    auto task = create_task([&] {
      try {
        throw std::runtime_error("x");
      } catch (const std::runtime_error&) {
        sleep(1h);
        trace("not reached");
      }
    });
    sleep(0s);
    task.cancel("m");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: m");
    EXPECT_EQ(elapsed_ms(), 0);
  });
  EXPECT_EQ(events, Trace{});
}

TEST_F(ExceptionStateTest, AnExceptionMayBeThrownAndCaughtWhileADestructorAwaitsDuringUnwinding) {  // X6
  struct Tries {
    ~Tries() {
      try {
        sleep(1s);
        throw std::out_of_range("inner");
      } catch (const std::out_of_range&) {
        sleep(1s);
      }
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  run([&] {
    auto other = create_task([] {
      for (int i = 0; i < 10; ++i) {
        try {
          throw std::logic_error("other");
        } catch (const std::logic_error&) {
          sleep(300ms);
        }
      }
    });
    try {
      const Tries tries;
      throw std::runtime_error("outer");
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "outer");
    }
    await(other);
  });
}

}  // namespace
}  // namespace coir::test
