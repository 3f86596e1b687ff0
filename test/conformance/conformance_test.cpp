// SPDX-License-Identifier: MIT
// coir against what CPython's asyncio did, and whether the comparison would notice.
#include "comparer.hpp"
#include "interpreter.hpp"
#include "program.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

// Programs end in deadlocks. Their stacks leak on purpose, with what only those stacks know of.
extern "C" const char* __lsan_default_options() { return "detect_leaks=0"; }

namespace coir::conformance {
namespace {

const std::filesystem::path golden_folder = COIR_GOLDEN;
constexpr int least_programs = 250;  // of a family: 300, less those that mean nothing on coir

class Family : public testing::TestWithParam<std::string> {};

TEST_P(Family, BehavesAsAsyncioDid) {
  std::ifstream file(golden_folder / (GetParam() + ".txt"));
  GoldenReader reader(file);
  Golden golden;
  int programs = 0;
  for (; reader.next(golden); ++programs) {
    const Trace trace = run_program(golden.program);
    const Comparison comparison = compare(golden.trace, trace);
    ASSERT_FALSE(comparison.difference) << "program " << programs << "; asyncio on the left, coir on the right\n"
                                        << explain(golden, trace, comparison);
  }
  EXPECT_GE(programs, least_programs);
}

INSTANTIATE_TEST_SUITE_P(Golden, Family, testing::Values(COIR_FAMILIES),
                         [](const auto& family) { return family.param; });

/// The comparison of asyncio's `theirs` with `ours`, behind the lines that both have.
Comparison compare_last(Trace before, const std::string& theirs, const std::string& ours) {
  Trace trace = before;
  before.push_back(theirs);
  trace.push_back(ours);
  return compare(before, trace);
}

const Golden program{.program = "spawn t1 {sleep 199; return 4}; await t1",
                     .trace = {"0 t0 start", "0 t1 start", "2 t1 slept", "2 t1 return 4", "2 t0 await t1 4",
                               "2 t0 return 0", "end", "t0 done=0", "t1 done=4"}};

TEST(Comparer, AcceptsWhatIsEqual) {
  const Comparison comparison = compare(program.trace, run_program(program.program));
  EXPECT_FALSE(comparison.difference);
  EXPECT_TRUE(comparison.masked.empty());
}

TEST(Comparer, FindsADifferenceInEveryLine) {
  const Trace trace = run_program(program.program);
  for (std::size_t line = 0; line < trace.size(); ++line) {
    Trace other = program.trace;
    other[line] += "0";
    EXPECT_EQ(compare(other, trace).difference, line);
  }
}

TEST(Comparer, FindsTwoEventsThatChangedPlaces) {
  Trace other = program.trace;
  std::swap(other[3], other[4]);
  EXPECT_EQ(compare(other, run_program(program.program)).difference, 3U);
}

TEST(Comparer, FindsAMissingAndAnExcessLine) {
  Trace other = program.trace;
  other.pop_back();
  EXPECT_EQ(compare(other, program.trace).difference, other.size());
  EXPECT_EQ(compare(program.trace, other).difference, other.size());
}

TEST(Comparer, ShowsTheProgramAndBothLines) {
  Trace other = program.trace;
  other[2] = "3 t1 slept";
  const std::string text = explain({program.program, other}, program.trace, compare(other, program.trace));
  EXPECT_NE(text.find(program.program), std::string::npos);
  EXPECT_NE(text.find("3 t1 slept                               <> 2 t1 slept\n"), std::string::npos) << text;
}

// T22
TEST(Mask, TheMessageOfACancelMayReachMoreAwaiters) {
  const Trace cancelled = {"0 t0 cancel t1(m) true pending c1"};
  EXPECT_EQ(compare_last(cancelled, "1 t2 raise Cancelled", "1 t2 raise Cancelled(m)").masked,
            std::set<std::string>{"T22"});
  EXPECT_EQ(compare_last(cancelled, "1 t2 raise Group[Cancelled,E1]", "1 t2 raise Group[Cancelled(m),E1]").masked,
            std::set<std::string>{"T22"});
  EXPECT_TRUE(compare_last(cancelled, "1 t2 raise Cancelled(m)", "1 t2 raise Cancelled").difference) << "lost";
  EXPECT_TRUE(compare_last(cancelled, "1 t2 raise Cancelled(m)", "1 t2 raise Cancelled(n)").difference) << "another";
  EXPECT_TRUE(compare_last(cancelled, "1 t2 raise Cancelled", "2 t2 raise Cancelled(m)").difference) << "later";
  EXPECT_TRUE(compare_last(cancelled, "1 t2 raise Cancelled", "1 t3 raise Cancelled(m)").difference) << "another task";
  EXPECT_TRUE(compare_last({"0 t0 start"}, "1 t2 raise Cancelled", "1 t2 raise Cancelled(m)").difference)
      << "a message that nobody gave";
}

// G12
TEST(Mask, AFailureBehindAShieldMayStayUnretrieved) {
  const Trace shielded = {"0 t0 shield s1 new"};
  EXPECT_EQ(compare_last(shielded, "t1 failed=E1 c1", "t1 failed=E1! c1").masked, std::set<std::string>{"G12"});
  EXPECT_EQ(compare_last(shielded, "0 t0 state t1 failed", "0 t0 state t1 failed!").masked,
            std::set<std::string>{"G12"});
  EXPECT_TRUE(compare_last(shielded, "t1 failed=E1!", "t1 failed=E1").difference) << "retrieved unseen";
  EXPECT_TRUE(compare_last(shielded, "t1 failed=E1", "t1 failed=E2!").difference) << "another failure";
  EXPECT_TRUE(compare_last({"0 t0 start"}, "t1 failed=E1", "t1 failed=E1!").difference) << "no shield";
}

// K8
TEST(Mask, IndexesOfABarrierMayDifferBehindACancellation) {
  const Trace cancelled = {"0 t1 raise Cancelled"};
  EXPECT_EQ(compare_last(cancelled, "1 t2 barrier b0 1", "1 t2 barrier b0 0").masked, std::set<std::string>{"K8"});
  EXPECT_TRUE(compare_last(cancelled, "1 t2 barrier b0 1", "1 t3 barrier b0 0").difference) << "another order";
  EXPECT_TRUE(compare_last(cancelled, "1 t2 barrier b0 1", "1 t2 barrier b1 0").difference) << "another barrier";
  EXPECT_TRUE(compare_last({"0 t0 start"}, "1 t2 barrier b0 1", "1 t2 barrier b0 0").difference) << "no cancellation";
}

TEST(Program, IsReadAsWritten) {
  const Block block = parse("gather g1 all $ t2 {sleep 1; return 4} ; try any {} {raise 1}");
  ASSERT_EQ(block.size(), 2U);
  EXPECT_EQ(block[0].args, (std::vector<std::string>{"g1", "all", "$", "t2"}));
  ASSERT_EQ(block[0].blocks.size(), 1U);
  EXPECT_EQ(block[0].blocks[0][1].name, "return");
  EXPECT_TRUE(block[1].blocks[0].empty());
  EXPECT_EQ(block[1].blocks[1][0].args.front(), "1");
  EXPECT_THROW(parse(" "), std::invalid_argument);
}

}  // namespace
}  // namespace coir::conformance
