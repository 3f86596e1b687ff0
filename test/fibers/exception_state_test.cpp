// SPDX-License-Identifier: MIT
// C++ exception state belongs to the fiber that is in the catch block. Bare fibers; tasks are in
// task_exception_state_test.cpp.
#include <exception>
#include <memory>
#include <stdexcept>

#include "fiber_support.hpp"

namespace coir::fibers {
namespace {

using namespace coir::test;

class ExceptionState : public ::testing::Test {
 protected:
  void leave() { pool.switch_to(pool.host()); }
  static int current_value() {
    try {
      throw;
    } catch (int value) {
      return value;
    }
  }
  FiberPool pool;
};

TEST_F(ExceptionState, RethrowAfterASwitchThrowsTheFibersOwnException) {
  int caught = 0;
  Body body(pool, [&] {
    try {
      try {
        throw 1;
      } catch (int) {
        leave();
        throw;
      }
    } catch (int value) {
      caught = value;
    }
  });
  Fiber& fiber = body.acquire();
  try {
    throw 2;
  } catch (int) {
    pool.switch_to(fiber);
    try {
      throw 3;
    } catch (int) {
      pool.switch_to(fiber);
      EXPECT_EQ(current_value(), 3);
    }
    EXPECT_EQ(current_value(), 2);
  }
  EXPECT_EQ(caught, 1);
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST_F(ExceptionState, HandlersOfTwoFibersMayEndInEitherOrder) {
  std::vector<int> seen;
  const auto in_handler = [&](int value) {
    return [&, value] {
      try {
        throw value;
      } catch (int) {
        leave();
        seen.push_back(current_value());
        leave();
        seen.push_back(current_value());
      }
      EXPECT_EQ(std::current_exception(), nullptr);
    };
  };
  for (const bool first_in_first_out : {true, false}) {
    seen.clear();
    Body a(pool, in_handler(1));
    Body b(pool, in_handler(2));
    Fiber& fiber_a = a.acquire();
    Fiber& fiber_b = b.acquire();
    pool.switch_to(fiber_a);
    pool.switch_to(fiber_b);
    pool.switch_to(fiber_a);
    pool.switch_to(fiber_b);
    pool.switch_to(first_in_first_out ? fiber_a : fiber_b);
    pool.switch_to(first_in_first_out ? fiber_b : fiber_a);
    EXPECT_EQ(seen, first_in_first_out ? (std::vector<int>{1, 2, 1, 2}) : (std::vector<int>{1, 2, 2, 1}));
    EXPECT_EQ(std::current_exception(), nullptr);
  }
}

TEST_F(ExceptionState, ANewFiberStartsWithNoException) {
  bool clean = false;
  Body body(pool, [&] { clean = std::current_exception() == nullptr && std::uncaught_exceptions() == 0; });
  for (int i = 0; i < 3; ++i) {  // new at first, recycled afterwards
    clean = false;
    try {
      throw 1;
    } catch (int) {
      pool.switch_to(body.acquire());
      EXPECT_EQ(current_value(), 1);
    }
    EXPECT_TRUE(clean) << i;
  }
}

TEST_F(ExceptionState, AFiberBegunDuringUnwindingStartsWithNoUncaughtException) {
  int inside = -1;
  int outside = -1;
  Body body(pool, [&] {
    inside = std::uncaught_exceptions();
    try {
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) {
    }
  });
  struct StartsOne {
    FiberPool& pool;
    Body& body;
    int& outside;
    ~StartsOne() {
      pool.switch_to(body.acquire());
      outside = std::uncaught_exceptions();
    }
  };
  try {
    const StartsOne guard{pool, body, outside};
    throw 1;
  } catch (int value) {
    EXPECT_EQ(value, 1);
  }
  EXPECT_EQ(inside, 0);
  EXPECT_EQ(outside, 1);
  EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST_F(ExceptionState, TheExceptionObjectIsTheSameAfterTheSwitchAndDiesWithItsHandler) {
  struct Payload {
    std::shared_ptr<int> alive = std::make_shared<int>(7);
  };
  std::weak_ptr<int> watch;
  const void* address = nullptr;
  Body body(pool, [&] {
    try {
      throw Payload{};
    } catch (const Payload& payload) {
      watch = payload.alive;
      address = &payload;
      const std::exception_ptr before = std::current_exception();
      leave();
      EXPECT_EQ(std::current_exception(), before);
      try {
        std::rethrow_exception(std::current_exception());
      } catch (const Payload& same) {
        EXPECT_EQ(&same, address);
      }
    }
    EXPECT_TRUE(watch.expired()) << "at the end of its handler";
  });
  Fiber& fiber = body.acquire();
  pool.switch_to(fiber);
  for (int i = 0; i < 10; ++i) {
    try {
      throw Payload{};
    } catch (const Payload&) {
    }
  }
  EXPECT_FALSE(watch.expired()) << "others' handlers do not end it";
  pool.switch_to(fiber);
  EXPECT_TRUE(body.finished);
}

TEST_F(ExceptionState, NestedHandlersNestWithinEachFiber) {
  const auto nested = [&](int base) {
    return [&, base] {
      try {
        throw base;
      } catch (int) {
        leave();
        try {
          throw base + 1;
        } catch (int) {
          leave();
          try {
            throw base + 2;
          } catch (int) {
            leave();
            EXPECT_EQ(current_value(), base + 2);
          }
          EXPECT_EQ(current_value(), base + 1);
          leave();
        }
        EXPECT_EQ(current_value(), base);
        leave();
      }
      EXPECT_EQ(std::current_exception(), nullptr);
    };
  };
  Body a(pool, nested(10));
  Body b(pool, nested(20));
  Body c(pool, nested(30));
  Fiber* fibers[] = {&a.acquire(), &b.acquire(), &c.acquire()};
  for (int round = 0; round < 6; ++round) {
    // Another order in each round.
    for (int i = 0; i < 3; ++i) pool.switch_to(*fibers[(i * 2 + round) % 3]);
  }
  EXPECT_TRUE(a.finished && b.finished && c.finished);
}

TEST_F(ExceptionState, FibersSwitchDirectlyFromHandlerToHandler) {
  Fiber* a = nullptr;
  Fiber* b = nullptr;
  Body body_a(pool, [&] {
    try {
      throw 1;
    } catch (int) {
      pool.switch_to(*b);
      EXPECT_EQ(current_value(), 1);
    }
  });
  Body body_b(pool, [&] {
    EXPECT_EQ(std::current_exception(), nullptr);
    try {
      throw 2;
    } catch (int) {
      pool.switch_to(*a);
      EXPECT_EQ(current_value(), 2);
    }
  });
  a = &body_a.acquire();
  b = &body_b.acquire();
  pool.switch_to(*a);
  EXPECT_TRUE(body_a.finished);
  pool.switch_to(*b);
  EXPECT_TRUE(body_b.finished);
}

}  // namespace
}  // namespace coir::fibers
