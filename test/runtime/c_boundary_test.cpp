// SPDX-License-Identifier: MIT
// call_c and c_boundary: what crosses C frames and how, whatever the C code. Real libraries: c_libraries_test.cpp.
#include "runtime_test.hpp"

#include <cstdlib>

#include <coir/c_boundary.hpp>
#include <coir/sleep.hpp>

namespace coir::test {
namespace {

using Callback = int (*)(void*);

/// Stands for a C library: calls back so many times, stops at the first result but 0, and has something to free.
int library_calls(int times, Callback callback, void* data) {
  void* const memory = std::malloc(1);
  int result = 0;
  for (int i = 0; i < times && result == 0; ++i) result = callback(data);
  std::free(memory);
  return result;
}

/// The callback runs *data, a std::function<int()>, and answers -1 for a failure.
int run_function(void* data) {
  return c_boundary([&] { return (*static_cast<std::function<int()>*>(data))(); }, -1);
}

int through_library(int times, std::function<int()> function) {
  return library_calls(times, run_function, &function);
}

class CBoundaryTest : public RuntimeTest {};

TEST_F(CBoundaryTest, ResultsPassInBothDirections) {
  run([&] {
    EXPECT_EQ(call_c([] { return through_library(3, [] { return 0; }); }), 0);
    EXPECT_EQ(call_c([] { return through_library(3, [] { return 7; }); }), 7);
    auto moved = call_c([] { return std::make_unique<int>(through_library(1, [] { return 5; })); });
    EXPECT_EQ(*moved, 5);
    int value = 0;
    int& reference = call_c([&]() -> int& { return value; });
    EXPECT_EQ(&reference, &value);
    bool ran = false;
    call_c([&] { ran = c_boundary([] {}); });
    EXPECT_TRUE(ran);
  });
}

TEST_F(CBoundaryTest, ACallbackMayAwait) {
  run([&] {
    call_c([&] {
      through_library(2, [&] {
        sleep(1s);
        trace(std::to_string(elapsed_ms()));
        return 0;
      });
    });
  });
  EXPECT_EQ(events, (Trace{"1000", "2000"}));
}

TEST_F(CBoundaryTest, AnExceptionLeavesFromCallCAndTheLibraryHasSeenItsErrorCode) {
  run([&] {
    int library_result = 0;
    EXPECT_EQ(ending_of([&] {
                call_c([&] {
                  library_result = through_library(3, [&]() -> int {
                    trace("called");
                    throw std::runtime_error("no");
                  });
                });
              }),
              "std::runtime_error: no");
    EXPECT_EQ(library_result, -1);
  });
  EXPECT_EQ(events, Trace{"called"});
}

TEST_F(CBoundaryTest, NothingRunsBelowAfterAFailureEvenIfTheLibraryGoesOn) {
  run([&] {
    EXPECT_EQ(ending_of([&] {
                call_c([&] {
                  for (int i = 0; i < 3; ++i) {
                    const bool ran = c_boundary([&] {
                      trace("called");
                      throw std::runtime_error("first");
                    });
                    EXPECT_FALSE(ran);
                  }
                });
              }),
              "std::runtime_error: first");
    // The next call_c() starts afresh.
    call_c([&] { EXPECT_TRUE(c_boundary([&] { trace("again"); })); });
  });
  EXPECT_EQ(events, (Trace{"called", "again"}));
}

TEST_F(CBoundaryTest, TheFirstFailureGoesBeforeWhatItsConsequenceThrows) {
  run([&] {
    EXPECT_EQ(ending_of([&] {
                call_c([&] {
                  if (through_library(1, []() -> int { throw std::runtime_error("cause"); }) != 0) {
                    throw std::logic_error("library failed");
                  }
                });
              }),
              "std::runtime_error: cause");
    EXPECT_EQ(ending_of([&] { call_c([]() -> int { throw std::logic_error("its own"); }); }),
              "std::logic_error: its own");
  });
}

TEST_F(CBoundaryTest, ACancelAtEachAwaitLeavesFromCallC) {
  for (int cancelled_at = 1; cancelled_at <= 3; ++cancelled_at) {
    run([&] {
      int at = 0;
      auto task = create_task([&] {
        call_c([&] {
          through_library(3, [&] {
            if (++at == cancelled_at) current_task().cancel("stop");
            sleep(1s);
            return 0;
          });
        });
      });
      EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop");
      EXPECT_TRUE(task.cancelled());
      EXPECT_EQ(at, cancelled_at);
    });
  }
}

TEST_F(CBoundaryTest, ACancelThatTheCallSwallowsIsOver) {
  run([&] {
    auto task = create_task([&] {
      EXPECT_EQ(ending_of([&] { call_c([&] { through_library(1, [] { return sleep(1s), 0; }); }); }),
                "CancelledError: stop");
      sleep(1s);
      return 3;
    });
    sleep(0s);
    task.cancel("stop");
    EXPECT_EQ(await(task), 3);
  });
}

TEST_F(CBoundaryTest, CallsNestAndTheInnermostGetsTheFailure) {
  run([&] {
    call_c([&] {
      through_library(1, [&] {
        EXPECT_EQ(ending_of([&] {
                    call_c([&] { through_library(1, []() -> int { throw std::runtime_error("inner"); }); });
                  }),
                  "std::runtime_error: inner");
        trace("outer goes on");
        return 0;
      });
    });
  });
  EXPECT_EQ(events, Trace{"outer goes on"});
}

TEST_F(CBoundaryTest, TasksThatTakeTurnsInTheSameLibraryKeepTheirFailuresApart) {
  run([&] {
    const auto parse = [&](const std::string& name, Duration pause, bool fails) {
      return create_task([=, this] {
        trace(name + ": " + ending_of([&] {
                call_c([&] {
                  through_library(3, [&] {
                    sleep(pause);
                    if (fails) throw std::runtime_error(name);
                    return 0;
                  });
                });
              }));
      });
    };
    auto a = parse("a", 3s, true);
    auto b = parse("b", 2s, false);
    auto c = parse("c", 1s, true);
    await(a), await(b), await(c);
  });
  EXPECT_EQ(events, (Trace{"c: std::runtime_error: c", "a: std::runtime_error: a", "b: returned"}));
}

TEST_F(CBoundaryTest, WorksWithoutATaskAndWithoutALoop) {
  const auto fails = [] { call_c([] { through_library(1, []() -> int { throw std::runtime_error("x"); }); }); };
  EXPECT_EQ(ending_of(fails), "std::runtime_error: x");
  std::thread([&] { EXPECT_EQ(ending_of(fails), "std::runtime_error: x"); }).join();
  run([&] {
    call_c([&] {  // what a callback does in its own call is not this task's business
      loop().call_soon([&] {
        EXPECT_EQ(ending_of(fails), "std::runtime_error: x");
        trace("callback");
      });
      c_boundary([&] { sleep(1s); });
      EXPECT_TRUE(c_boundary([] {}));
    });
  });
  EXPECT_EQ(events, Trace{"callback"});
}

TEST_F(CBoundaryTest, WithoutCallCAFailureIsReported) {
  run([&] {
    EXPECT_EQ(through_library(1, []() -> int { throw std::runtime_error("lost"); }), -1);
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_NE(reports[0].find("c_boundary() at c_boundary_test.cpp:"), std::string::npos) << reports[0];
    EXPECT_NE(reports[0].find("an exception outside of call_c(): it cannot cross the C frames above and is lost. Wrap the "
                              "call into the C library: coir::call_c([&] { ... }): std::runtime_error: lost"),
              std::string::npos)
        << reports[0];
  });
  expected_reports = reports;
}

TEST_F(CBoundaryTest, WithoutCallCACancellationIsReportedAndThrownAtTheNextAwait) {
  run([&] {
    auto task = create_task([&] {
      EXPECT_EQ(through_library(1, [] { return sleep(1s), 0; }), -1);
      trace("behind the library");
      sleep(1s);
      trace("not reached");
    });
    sleep(0s);
    task.cancel("stop");
    EXPECT_EQ(ending_of([&] { await(task); }), "CancelledError: stop");
    EXPECT_EQ(task.cancelling(), 1);
  });
  EXPECT_EQ(events, Trace{"behind the library"});
  EXPECT_EQ(reports.size(), 1U);
  expected_reports = reports;
}

}  // namespace
}  // namespace coir::test
