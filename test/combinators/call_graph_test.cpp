// SPDX-License-Identifier: MIT
// Who awaits whom through the combinators: one test for each kind of edge. The gist of CPython 3.14's test_graph.py.
#include "combinators_test.hpp"

#include <algorithm>

namespace coir::test {
namespace {

class CallGraphTest : public CombinatorTest {
 protected:
  /// "gather <- main, x": the graph's edges above a future, depth first; what a task or future is called.
  static std::string above(const FutureCallGraph& graph) {
    std::string text = name_of(graph.future);
    if (graph.omitted != FutureCallGraph::Omitted::nothing) text += "...";
    if (graph.awaited_by.empty()) return text;
    text += " <- ";
    const bool several = graph.awaited_by.size() > 1;
    if (several) text += "(";
    for (std::size_t i = 0; i < graph.awaited_by.size(); ++i) {
      text += (i > 0 ? ", " : "") + above(graph.awaited_by[i]);
    }
    return several ? text + ")" : text;
  }
  static std::string above(const AnyFuture& future) { return above(capture_call_graph(future, 0, 0)); }
  static std::string name_of(const AnyFuture& future) {
    return future.state().is_task() ? AnyTask(detail::Ref<detail::FutureState>(&future.state())).get_name()
                                    : future.state().kind();
  }
  Task<void> waits_for(const Future<void>& future, const std::string& name) {
    return create_task([future] { await(future); }, TaskOptions{.name = name});
  }
  /// Runs body() as task "waiter", lets it get to its wait, and records what is above `child`; then ends it.
  template <class Fn>
  void expect_above(const std::string& expected, const Future<void>& gate, const AnyFuture& child, Fn&& body) {
    auto waiter = create_task(std::forward<Fn>(body), TaskOptions{.name = "waiter"});
    sleep(1ms);
    EXPECT_EQ(above(child), expected);
    gate.set_result();
    await(waiter);
    EXPECT_EQ(above(child), name_of(child)) << "an edge was left behind";
  }
};

TEST_F(CallGraphTest, ATaskAwaitsAnother) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    expect_above("child <- waiter", gate, child, [&] { await(child); });
  });
}

TEST_F(CallGraphTest, GatherAwaitsItsUnfinishedChildren) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    const auto quick = waits_for(future<void>(), "quick");
    quick.cancel();
    expect_above("child <- gather <- waiter", gate, child, [&] {
      await(gather(return_exceptions, child, quick, child));  // twice: one edge
    });
  });
}

TEST_F(CallGraphTest, GathersNest) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    expect_above("child <- gather <- gather <- waiter", gate, child, [&] { await(gather(gather(child))); });
  });
}

TEST_F(CallGraphTest, ShieldAwaitsWhatItShields) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    expect_above("child <- shield <- waiter", gate, child, [&] { await(shield(child)); });
  });
}

TEST_F(CallGraphTest, ACancelledShieldAwaitsNothing) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    auto waiter = create_task([&] { await(shield(child)); }, TaskOptions{.name = "waiter"});
    sleep(1ms);
    waiter.cancel();
    EXPECT_EQ(above(child), "child");
    gate.set_result();
    await(child);
  });
}

TEST_F(CallGraphTest, WaitAwaitsAllThatItWasGiven) {
  run([&] {
    const auto gate = future<void>();
    const std::vector<Task<void>> children{waits_for(gate, "child"), waits_for(gate, "second")};
    expect_above("child <- wait <- waiter", gate, children[0], [&] { wait(children); });
  });
}

TEST_F(CallGraphTest, AWaitThatTimedOutAwaitsNothing) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    wait(std::vector{child}, {.timeout = 1ms});
    EXPECT_EQ(above(child), "child");
    gate.set_result();
    await(child);
  });
}

TEST_F(CallGraphTest, WaitForAwaitsInTheTaskItself) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    expect_above("child <- waiter", gate, child, [&] { wait_for(child, 1h); });
  });
}

TEST_F(CallGraphTest, AWaitForThatHasCancelledWaitsForTheEnd) {
  run([&] {
    const auto child = stubborn(1h);
    child.set_name("child");
    sleep(1ms);
    auto waiter = create_task([&] { wait_for(child, 0s); }, TaskOptions{.name = "waiter"});
    sleep(1ms);
    EXPECT_EQ(above(child), "child <- wait_for <- waiter");
    await(waiter);
    EXPECT_EQ(above(child), "child");
  });
}

TEST_F(CallGraphTest, ATimeoutIsNoFuture) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    expect_above("child <- waiter", gate, child, [&] { timeout(1h, [&] { await(child); }); });
  });
}

TEST_F(CallGraphTest, AsCompletedAwaitsWhatIsNotDone) {
  run([&] {
    const auto gate = future<void>();
    const std::vector<Task<void>> children{waits_for(gate, "child"), waits_for(gate, "second")};
    expect_above("child <- as_completed <- waiter", gate, children[0], [&] {
      for (auto& done : as_completed(children)) await(done);
    });
  });
}

TEST_F(CallGraphTest, TwoWaysToOneTaskAreShownOnce) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    expect_above("child <- (gather <- gather <- waiter, gather <- gather...)", gate, child,
                 [&] { await(gather(gather(child), gather(child))); });
  });
}

TEST_F(CallGraphTest, ALadderIsNotWalkedOnEachOfItsTwoToTheTwentyWays) {
  run([&] {
    const auto gate = future<void>();
    std::vector<Future<void>> rungs(2, gate);
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 20; ++i) {
      const auto below = rungs;
      for (auto& rung : rungs) rung = tasks.emplace_back(create_task([below] { wait(below); }));
    }
    sleep(1ms);
    EXPECT_LT(format_call_graph(gate, 0, 0).size(), 100'000U);
    gate.set_result();
    for (const auto& task : tasks) await(task);
  });
}

TEST_F(CallGraphTest, StacksGoThroughPlainFunctionsToTheCombinator) {
  run([&] {
    const auto gate = future<void>();
    const auto child = waits_for(gate, "child");
    auto waiter = create_task([&] { timeout(1h, [&] { await(gather(child)); }); }, TaskOptions{.name = "waiter"});
    sleep(1ms);
    const std::string text = format_call_graph(child);
    const auto position = [&](const char* what) { return text.find(what); };
    EXPECT_LT(position("* Task 'child'"), position("* gather created at")) << text;
    EXPECT_LT(position("* gather created at"), position("* Task 'waiter'")) << text;
    EXPECT_NE(position("* Task 'waiter'"), std::string::npos) << text;
    EXPECT_EQ(position("coir::await"), std::string::npos) << text;
    EXPECT_EQ(position("in coir::detail"), std::string::npos) << text;
    EXPECT_EQ(position("in std::"), std::string::npos) << text;
    EXPECT_NE(position("_Test::TestBody::<lambda>::<lambda>"), std::string::npos) << text;
    gate.set_result();
    await(waiter);
  });
}

}  // namespace
}  // namespace coir::test
