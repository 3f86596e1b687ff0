// SPDX-License-Identifier: MIT
// capture_call_graph() and its kin: who awaits whom. The gist of CPython 3.14's test_graph.py, of which 3.13 has nothing.
#include "call_stack_test.hpp"

#include <algorithm>
#include <sstream>

namespace shop_test {
namespace {

class GraphTest : public CallStackTest {};

TEST_F(GraphTest, GoesFromAFutureToItsAwaitersAndOnToTheirs) {
  run([&] {
    const auto future = gate();
    auto inner = create_task([&] { shop::wait_here(future); }, coir::TaskOptions{.name = "inner"});
    auto outer = create_task([&] { await(inner); }, coir::TaskOptions{.name = "outer"});
    coir::sleep(0s);
    coir::sleep(0s);
    const coir::FutureCallGraph graph = coir::capture_call_graph(future);
    EXPECT_EQ(graph.future, AnyFuture(future));
    EXPECT_EQ(graph.call_stack.size(), 0U);
    ASSERT_EQ(graph.awaited_by.size(), 1U);
    const coir::FutureCallGraph& first = graph.awaited_by[0];
    EXPECT_EQ(first.future, AnyFuture(inner));
    ASSERT_EQ(names(first).size(), 2U);
    EXPECT_EQ(names(first)[0], "shop::wait_here") << "the innermost call first";
    ASSERT_EQ(first.awaited_by.size(), 1U);
    EXPECT_EQ(first.awaited_by[0].future, AnyFuture(outer));
    EXPECT_EQ(first.awaited_by[0].awaited_by.size(), 0U);

    future.set_result();
    EXPECT_EQ(coir::capture_call_graph(future).awaited_by.size(), 0U) << "it is done";
    await(outer);
    EXPECT_EQ(coir::capture_call_graph(inner).awaited_by.size(), 0U);
  });
}

TEST_F(GraphTest, OfTheRunningTaskIsTheDefault) {
  run([&] {
    auto child = create_task([&] {
      const coir::FutureCallGraph graph = coir::capture_call_graph();
      EXPECT_EQ(graph.future, AnyFuture(coir::current_task()));
      EXPECT_GE(graph.call_stack.size(), 1U);
      ASSERT_EQ(graph.awaited_by.size(), 1U);
      EXPECT_EQ(coir::capture_call_graph({}, 1).call_stack.size() + 1, graph.call_stack.size()) << "depth";
      EXPECT_EQ(coir::capture_call_graph({}, 0, 0).call_stack.size(), 0U) << "limit";
      EXPECT_EQ(coir::capture_call_graph({}, 0, 0).awaited_by.size(), 1U);
    });
    await(child);
  });
}

TEST_F(GraphTest, InACallbackThereIsNoneAndWithoutALoopItIsMisuse) {
  loop().call_soon([&] {
    EXPECT_FALSE(coir::capture_call_graph().future);
    EXPECT_EQ(coir::format_call_graph(), "");
    trace("ran");
  });
  run_ready();
  EXPECT_EQ(events, Trace{"ran"});
  expect_usage_error(Reason::no_running_loop, "capture_call_graph()", [] { coir::capture_call_graph(); });
}

TEST_F(GraphTest, AwaitersAreInOrderOfCreation) {
  run([&] {
    const auto future = gate();
    std::vector<coir::Task<void>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(create_task([&] { shop::wait_here(future); }));
    coir::sleep(0s);
    const auto graph = coir::capture_call_graph(future, 0, 0);
    ASSERT_EQ(graph.awaited_by.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(graph.awaited_by[i].future, AnyFuture(tasks[i]));
    future.set_result();
    for (const auto& task : tasks) await(task);
  });
}

TEST_F(GraphTest, AWaitThatWasCancelledLeavesNoEdge) {
  run([&] {
    const auto future = gate();
    auto awaited = create_task([&] { shop::wait_here(future); });
    auto waiter = create_task([&] { await(awaited); });
    coir::sleep(0s);
    EXPECT_EQ(coir::capture_call_graph(future, 0, 0).awaited_by.size(), 1U);
    waiter.cancel();
    EXPECT_TRUE(future.cancelled()) << "passed on";
    EXPECT_EQ(coir::capture_call_graph(future, 0, 0).awaited_by.size(), 0U);
    coir::sleep(0s);
    coir::sleep(0s);
    EXPECT_TRUE(waiter.cancelled());
    EXPECT_EQ(coir::capture_call_graph(awaited, 0, 0).awaited_by.size(), 0U);
  });
}

/// Says that it cannot be done before another future is.
class Follower final : public coir::detail::ValueState<coir::detail::FutureState, void> {
 public:
  explicit Follower(coir::EventLoop& loop) : ValueState(loop.core(), coir::SourceLocation()) { set_kind("follower"); }
  void each_awaited(const coir::detail::AwaitedVisitor& visit) const override { visit(followed.state()); }
  AnyFuture followed;

 private:
  ~Follower() override = default;
};

TEST_F(GraphTest, ACycleIsShownOnce) {
  run([&] {
    auto* follower = new Follower(loop());
    const coir::Future<void> future(coir::detail::Ref<coir::detail::FutureState>::adopt(follower));
    auto task = create_task([&] { shop::wait_here(future); });
    follower->followed = task;
    coir::sleep(0s);
    const auto graph = coir::capture_call_graph(task, 0, 0);
    ASSERT_EQ(graph.awaited_by.size(), 1U);
    EXPECT_EQ(graph.awaited_by[0].future, AnyFuture(future));
    ASSERT_EQ(graph.awaited_by[0].awaited_by.size(), 1U);
    const auto& again = graph.awaited_by[0].awaited_by[0];
    EXPECT_EQ(again.future, AnyFuture(task));
    EXPECT_EQ(again.omitted, coir::FutureCallGraph::Omitted::shown_before);
    EXPECT_EQ(again.awaited_by.size(), 0U);
    EXPECT_NE(coir::format_call_graph(graph).find("(shown elsewhere)"), std::string::npos);
    future.set_result();
    await(task);
    follower->followed = {};
  });
}

TEST_F(GraphTest, AVeryLongChainIsCutOff) {
  run([&] {
    const auto future = gate();
    std::vector<coir::Task<void>> chain{create_task([&] { shop::wait_here(future); })};
    for (int i = 0; i < 500; ++i) chain.push_back(create_task([awaited = chain.back()] { await(awaited); }));
    coir::sleep(0s);
    const auto graph = coir::capture_call_graph(future, 0, 0);
    const coir::FutureCallGraph* last = &graph;
    int levels = 0;
    for (; !last->awaited_by.empty(); last = &last->awaited_by[0]) ++levels;
    EXPECT_EQ(levels, 100);
    EXPECT_EQ(last->omitted, coir::FutureCallGraph::Omitted::too_deep);
    future.set_result();
    await(chain.back());
  });
}

TEST_F(GraphTest, IsPrintedAsATree) {
  run([&] {
    const auto future = gate();
    auto inner = create_task([&] { shop::wait_here(future); }, coir::TaskOptions{.name = "inner"});
    auto outer = create_task([&] { await(inner); }, coir::TaskOptions{.name = "outer"});
    coir::sleep(0s);
    std::ostringstream out;
    coir::print_call_graph(out, inner, 0, 0);
    const auto at = [](const AnyFuture& each) { return coir::to_string(each.created_at()); };
    EXPECT_EQ(out.str(), "* Task 'inner' created at " + at(inner) +
                             "\n"
                             "  + Awaited by:\n"
                             "    * Task 'outer' created at " +
                             at(outer) + "\n");
    const std::string full = coir::format_call_graph(inner);
    EXPECT_NE(full.find("  + Call stack:\n  |   "), std::string::npos) << full;
    EXPECT_NE(full.find("in shop::wait_here\n"), std::string::npos) << full;
    future.set_result();
    await(outer);
  });
}

}  // namespace
}  // namespace shop_test
