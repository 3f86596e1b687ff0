// SPDX-License-Identifier: MIT
// Runs what c11.c and cpp11.cpp claim, each as a test of its own.
#include "claims.h"

#include <loop_test.hpp>

namespace coir::test {
namespace {

class C11 : public LoopTest {};
class Cpp11 : public LoopTest {};

// What a claim does beside its loop shows in the process: no descriptor may be left.
class C11Alone : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(open_descriptors(), before_); }
  const std::size_t before_ = open_descriptors();
};
class Cpp11Alone : public C11Alone {};

#define IN_TASK(name)                                          \
  TEST_F(C11, name) {                                          \
    run([] { EXPECT_EQ(c11_##name(), 0) << "failed checks"; }); \
  }                                                            \
  TEST_F(Cpp11, name) {                                        \
    run([] { EXPECT_EQ(cpp11_##name(), 0) << "failed checks"; }); \
  }
#define ALONE(name)                                                              \
  TEST_F(C11Alone, name) { EXPECT_EQ(c11_##name(), 0) << "failed checks"; }      \
  TEST_F(Cpp11Alone, name) { EXPECT_EQ(cpp11_##name(), 0) << "failed checks"; }
#include "claims.def"

TEST_F(Cpp11Alone, WhatABodyThrowsIsACode) { EXPECT_EQ(cpp11_WhatABodyThrowsIsACode(), 0) << "failed checks"; }

}  // namespace
}  // namespace coir::test
