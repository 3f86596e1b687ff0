// SPDX-License-Identifier: MIT
// What gather() makes of the types of its children, and who gets to move a value.
#include "combinators_test.hpp"

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <type_traits>
#include <variant>

namespace coir::test {
namespace {

class GatherShapeTest : public CombinatorTest {};

template <class... A>
using Gathered = typename decltype(gather(std::declval<A>()...))::value_type;

using Fn = std::function<int()>;
static_assert(std::is_same_v<Gathered<Future<int>, Task<std::string>, Future<void>>,
                             std::tuple<int, std::string, std::monostate>>);
static_assert(std::is_same_v<Gathered<Future<int>>, std::tuple<int>>);
static_assert(std::is_same_v<Gathered<>, std::tuple<>>);
static_assert(std::is_same_v<Gathered<Fn, Fn&, const Fn&>, std::tuple<int, int, int>>);
static_assert(std::is_same_v<Gathered<Future<int&>>, std::tuple<int*>>);
static_assert(std::is_same_v<Gathered<std::vector<Task<int>>&>, std::vector<int>>);
static_assert(std::is_same_v<Gathered<std::vector<Future<void>>>, std::vector<std::monostate>>);
static_assert(std::is_same_v<Gathered<std::list<Fn>>, std::vector<int>>);
static_assert(std::is_same_v<Gathered<ReturnExceptions, Future<int>, Future<void>>,
                             std::tuple<Outcome<int>, Outcome<void>>>);
static_assert(std::is_same_v<Gathered<ReturnExceptions, std::vector<Future<void>>>, std::vector<Outcome<void>>>);

TEST_F(GatherShapeTest, TypesMayDifferAndVoidIsMonostate) {
  run([&] {
    auto [number, text, nothing] =
        await(gather([] { return 1; }, done_future(std::string("two")), create_task([] { sleep(1ms); })));
    EXPECT_EQ(number, 1);
    EXPECT_EQ(text, "two");
    EXPECT_EQ(nothing, std::monostate());
  });
}

TEST_F(GatherShapeTest, AReferenceComesAsAPointerToTheSameObject) {
  run([&] {
    int value = 1;
    const auto [pointer] = await(gather([&]() -> int& { return value; }));
    EXPECT_EQ(pointer, &value);
    const std::vector<int*> pointers = await(gather(std::vector{create_task([&]() -> int& { return value; })}));
    EXPECT_EQ(pointers, std::vector<int*>{&value});
    auto [outcome] = await(gather(return_exceptions, [&]() -> int& { return value; }));
    EXPECT_EQ(&outcome.value(), &value);
  });
}

TEST_F(GatherShapeTest, MoveOnlyResultsAreMoved) {
  run([&] {
    const auto make = [](int n) { return [n] { return std::make_unique<int>(n); }; };
    auto [one, two] = await(gather(make(1), make(2)));
    EXPECT_EQ(*one + *two, 3);
    auto tasks = std::vector{create_task(make(3)), create_task(make(4))};
    auto pointers = await(gather(std::move(tasks)));
    EXPECT_EQ(*pointers[0] + *pointers[1], 7);
    auto [five] = await(gather(return_exceptions, make(5)));
    EXPECT_EQ(*std::move(five).value(), 5);
  });
}

TEST_F(GatherShapeTest, AMoveOnlyResultForTwoPlacesIsAnError) {
  run([&] {
    auto task = create_task([] { return std::make_unique<int>(1); });
    EXPECT_THROW(await(gather(task, task)), InvalidStateError);
  });
}

TEST_F(GatherShapeTest, MoveOnlyCallablesAreTaken) {
  run([&] {
    auto [value] = await(gather([held = std::make_unique<int>(1)] { return *held; }));
    EXPECT_EQ(value, 1);
  });
}

TEST_F(GatherShapeTest, AResultThatNobodyElseCanAskForIsNotCopied) {
  run([&] {
    int copies = 0;
    const auto make = [&] { return Counted(copies); };
    const auto later = [&] {
      sleep(1ms);
      return Counted(copies);
    };
    static_cast<void>(await(gather(make, later, make)));
    static_cast<void>(await(gather(std::vector<std::function<Counted()>>{make, later, make})));
    EXPECT_EQ(copies, 0);
  });
}

TEST_F(GatherShapeTest, AResultThatOthersHoldIsCopiedHoweverManyTheyAre) {
  run([&] {
    for (const bool done_before : {false, true}) {
      for (std::size_t holders = 1; holders < 6; ++holders) {
        auto source = future<std::string>();
        const std::vector<Future<std::string>> others(holders - 1, source);
        const std::string value(100, 'x');
        if (done_before) source.set_result(value);
        auto all = gather(source);
        if (!done_before) source.set_result(value);
        EXPECT_EQ(await(std::move(all)), std::tuple(value));
        EXPECT_EQ(source.result(), value) << holders << " holders";
      }
    }
  });
}

TEST_F(GatherShapeTest, ADuplicateIsCopiedToEachPlace) {
  run([&] {
    for (const bool done_before : {false, true}) {
      const std::string value(100, 'x');
      auto task = create_task([&] { return value; });
      if (done_before) await(task);
      auto copy = task;
      EXPECT_EQ(await(gather(std::move(task), std::move(copy))), std::tuple(value, value));
    }
  });
}

TEST_F(GatherShapeTest, TakesAnyRange) {
  run([&] {
    std::list<Task<int>> tasks;
    for (int i = 1; i < 4; ++i) tasks.push_back(create_task([i] { return i; }));
    EXPECT_EQ(await(gather(tasks)), (std::vector{1, 2, 3}));
    const std::array futures{done_future(4), done_future(5)};
    EXPECT_EQ(await(gather(futures)), (std::vector{4, 5}));
    std::list<std::function<int()>> callables;
    for (int i = 6; i < 9; ++i) callables.emplace_back([i] { return i; });
    EXPECT_EQ(await(gather(callables)), (std::vector{6, 7, 8}));
    EXPECT_EQ(await(gather(std::vector{create_task([] { return true; })})), std::vector{true});
  });
}

TEST_F(GatherShapeTest, ACopyThatThrowsFailsTheGather) {
  struct Sticky {
    Sticky() = default;
    Sticky(const Sticky&) { throw Boom("copy"); }
    Sticky(Sticky&&) noexcept {}
    Sticky& operator=(const Sticky&) = delete;
    Sticky& operator=(Sticky&&) = delete;
    ~Sticky() = default;
  };
  run([&] {
    auto task = create_task([] { return Sticky(); });
    auto all = gather(task);
    EXPECT_EQ(ending_of([&] { static_cast<void>(await(std::move(all))); }), "Boom: copy");
    auto done = gather(task);
    EXPECT_EQ(ending_of([&] { static_cast<void>(await(std::move(done))); }), "Boom: copy");
  });
}

TEST_F(GatherShapeTest, TasksKnowWhereTheGatherWasWritten) {
  run([&] {
    const int line = __LINE__ + 1;
    const auto all = gather([] { sleep(1ms); }, [] {});
    std::set<int> lines;
    for (const AnyTask& task : all_tasks()) lines.insert(static_cast<int>(task.created_at().line));
    EXPECT_TRUE(lines.contains(line));
    await(all);
  });
}

}  // namespace
}  // namespace coir::test
