// SPDX-License-Identifier: MIT
// Debug mode says so before a cancellation unwinds C frames, and only then.
#include "runtime_test.hpp"

#include <log_capture.hpp>

#include <libxml/parser.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <coir/big_stack.hpp>
#include <coir/c_boundary.hpp>
#include <coir/coir.h>
#include <coir/sleep.hpp>

extern "C" int call_back(int (*function)(void* data), void* data);

namespace coir::test {
namespace {

int compare_later(const void* a, const void* b, void*) {
  sleep(1h);
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

/// Each instance is a call of its own: a call is reported once in a process. They differ, or a compiler would merge them.
template <int number>
[[gnu::noinline]] void sort_in_c(int (*compare)(const void*, const void*, void*)) {
  std::vector<int> items{3 + number, 1, 2};
  ::qsort_r(items.data(), items.size(), sizeof(int), compare, nullptr);
}

class UnwindAuditTest : public RuntimeTest, protected LogCapture {
 protected:
  /// libdw keeps the C library's debug information open, once it has been looked for: not a descriptor that a test leaks.
  static void SetUpTestSuite() {
    coir::run(
        [] {
          auto task = create_task([] { sort_in_c<-1>(compare_later); });
          sleep(1ms);
          task.cancel();
          ending_of([&] { await(task); });
        },
        {.loop = {.debug = true}});
  }
  UnwindAuditTest() { make_loop({.debug = true}); }

  /// Runs fn() in a task that is cancelled at its first await, and says how the task ended.
  template <class Fn>
  std::string cancel_in(Fn&& fn) {
    return run([&] {
      auto task = create_task([&] { fn(); }, {.name = "audited"});
      sleep(1ms);
      task.cancel("stop");
      return ending_of([&] { await(task); });
    });
  }
  std::size_t warnings() const {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log().find("no clean-up", at)) != std::string::npos; ++at) ++count;
    return count;
  }
};

// A sanitizer has functions of its own in place of qsort_r.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(UnwindAuditTest, ACancellationThroughQsortNamesTheTaskTheLibraryAndTheCall) {
  EXPECT_EQ(cancel_in([] { sort_in_c<0>(compare_later); }), "CancelledError: stop");
  EXPECT_EQ(warnings(), 1U) << log();
  EXPECT_TRUE(logged("cancellation of Task 'audited' created at unwind_audit_test.cpp:")) << log();
  EXPECT_TRUE(logged(" of libc.so.6 (")) << log();
  EXPECT_TRUE(logged("sort_in_c")) << log();
  EXPECT_TRUE(logged("Wrap the C call in call_c() and the callback in c_boundary()")) << log();
}

TEST_F(UnwindAuditTest, ACallIsReportedOnce) {
  for (int i = 0; i < 3; ++i) cancel_in([] { sort_in_c<1>(compare_later); });
  EXPECT_EQ(warnings(), 1U) << log();
  cancel_in([] { sort_in_c<2>(compare_later); });
  EXPECT_EQ(warnings(), 2U) << log();
}

TEST_F(UnwindAuditTest, CallCAloneDoesNotHelp) {
  cancel_in([] { call_c([] { sort_in_c<3>(compare_later); }); });
  EXPECT_EQ(warnings(), 1U) << log();
}

TEST_F(UnwindAuditTest, NothingIsLoggedOutsideOfDebugMode) {
  loop().set_debug(false);
  cancel_in([] { sort_in_c<4>(compare_later); });
  EXPECT_EQ(log(), "");
}

TEST_F(UnwindAuditTest, AFutureThatOthersCancelledIsSeen) {
  static const Future<void>* awaited = nullptr;
  run([&] {
    const auto future = get_running_loop().create_future<void>();
    awaited = &future;
    auto task = create_task([] { sort_in_c<5>([](const void*, const void*, void*) { return await(*awaited), 0; }); });
    sleep(1ms);
    future.cancel();
    ending_of([&] { await(task); });
  });
  EXPECT_EQ(warnings(), 1U) << log();
}

TEST_F(UnwindAuditTest, ARequestThatMeetsThePassingOfATurnIsSeen) {
  run([&] {
    auto task = create_task([] {
      sort_in_c<6>([](const void*, const void*, void*) { return current_task().cancel(), sleep(0s), 0; });
    });
    ending_of([&] { await(task); });
  });
  EXPECT_EQ(warnings(), 1U) << log();
}

TEST_F(UnwindAuditTest, ACallbackThatCatchesOtherExceptionsIsSeen) {
  cancel_in([] {
    sort_in_c<7>([](const void*, const void*, void*) {
      try {
        sleep(1h);
      } catch (const std::exception&) {
      }
      return 0;
    });
  });
  EXPECT_EQ(warnings(), 1U) << log();
}
#endif

/// Parses a document with one element, whose handler is `started`.
void parse(startElementNsSAX2Func started) {
  constexpr std::string_view document = "<list/>";
  xmlSAXHandler sax{};
  sax.initialized = XML_SAX2_MAGIC;
  sax.startElementNs = started;
  struct Free {
    ~Free() { xmlFreeParserCtxt(parser); }
    xmlParserCtxtPtr parser;
  } const context{xmlCreatePushParserCtxt(&sax, nullptr, nullptr, 0, nullptr)};
  xmlParseChunk(context.parser, document.data(), static_cast<int>(document.size()), 1);
}

TEST_F(UnwindAuditTest, FunctionsOfALibraryWithoutSymbolsCount) {
  const auto await_at_start = [](void*, const xmlChar*, const xmlChar*, const xmlChar*, int, const xmlChar**, int, int,
                                 const xmlChar**) { sleep(1h); };
  EXPECT_EQ(cancel_in([&] { parse(await_at_start); }), "CancelledError: stop");
  EXPECT_EQ(warnings(), 1U) << log();
  EXPECT_TRUE(logged(" frames of libxml2.so.2 (")) << log();
  xmlCleanupParser();
}

#if COIR_TEST_LIBDW
TEST_F(UnwindAuditTest, CInTheProgramIsKnownByItsDebugInformation) {
  EXPECT_EQ(cancel_in([] { call_back([](void*) { return sleep(1h), 0; }, nullptr); }), "CancelledError: stop");
  EXPECT_EQ(warnings(), 1U) << log();
  EXPECT_TRUE(logged("1 frame of the program (call_back), which has no clean-up")) << log();
}
#endif

// ---- No false alarms ------------------------------------------------------------------------------------------------

TEST_F(UnwindAuditTest, ACBoundaryBelowCallCIsFine) {
  const auto compare = [](const void*, const void*, void*) { return c_boundary([] { return sleep(1h), 0; }, 0); };
  EXPECT_EQ(cancel_in([&] { call_c([&] { sort_in_c<8>(compare); }); }), "CancelledError: stop");
  EXPECT_EQ(log(), "");
}

TEST_F(UnwindAuditTest, ACallbackThatCatchesIsFine) {
  const auto catches_all = [](const void*, const void*, void*) {
    try {
      sleep(1h);
    } catch (...) {
    }
    return 0;
  };
  const auto catches_it = [](const void*, const void*, void*) {
    try {
      sleep(1h);
    } catch (const CancelledError&) {
    }
    return 0;
  };
  cancel_in([&] { sort_in_c<9>(catches_all); });
  cancel_in([&] { sort_in_c<10>(catches_it); });
  EXPECT_EQ(log(), "");
}

TEST_F(UnwindAuditTest, CFunctionsThatWaitByCoirHAreFine) {
  EXPECT_EQ(cancel_in([] { call_back([](void*) { return coir_sleep(3600.0); }, nullptr); }), "returned");
  EXPECT_EQ(log(), "");
}

struct Base {
  virtual ~Base() = default;
  virtual int visit(int depth) = 0;
};
struct Deep : Base {
  int visit(int depth) override { return depth == 0 ? (sleep(1h), 0) : visit(depth - 1) + 1; }
};
extern "C" [[gnu::noinline]] int plain_name(void* data) { return static_cast<Base*>(data)->visit(3) + 1; }

TEST_F(UnwindAuditTest, FramesOfCxxAreFine) {
  cancel_in([] {
    std::vector<int> items{3, 1, 2};
    std::sort(items.begin(), items.end(), [](int a, int b) { return sleep(1h), a < b; });
  });
  cancel_in([] {
    const std::function<void()> function = [] { sleep(1h); };
    function();
  });
  cancel_in([] {
    Deep deep;
    return plain_name(&deep);
  });
  cancel_in([] { run_on_big_stack([] { sleep(1h); }); });
  run([] {
    auto task = create_task([] { await(create_task([] { sleep(1h); })); });
    sleep(1ms);
    task.cancel();
    ending_of([&] { await(task); });
  });
  EXPECT_EQ(log(), "");
}

}  // namespace
}  // namespace coir::test
