// SPDX-License-Identifier: MIT
#include <coir/detail/ring.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

namespace coir::test {
namespace {

using detail::Ring;

TEST(RingTest, IsFirstInFirstOutAcrossItsSeamAndWhileItGrows) {
  Ring<std::string> ring;
  std::deque<std::string> model;
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    if (random() % 100 < (i / 1000 % 2 == 0 ? 60U : 40U)) {
      ring.push(std::to_string(i));
      model.push_back(std::to_string(i));
    } else if (!model.empty()) {
      ASSERT_EQ(ring.front(), model.front());
      ring.pop();
      model.pop_front();
    }
    ASSERT_EQ(ring.size(), model.size());
    ASSERT_EQ(ring.empty(), model.empty());
  }
  EXPECT_LT(ring.size(), ring.capacity());
}

TEST(RingTest, KeepsItsRoom) {
  Ring<int> ring;
  EXPECT_EQ(ring.capacity(), 0U);
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 7; ++i) ring.push(i);
    for (int i = 0; i < 7; ++i) ring.pop();
  }
  EXPECT_EQ(ring.capacity(), 8U);
}

TEST(RingTest, MovesWhatCannotBeCopied) {
  Ring<std::unique_ptr<int>> ring;
  for (int i = 0; i < 20; ++i) ring.push(std::make_unique<int>(i));
  Ring<std::unique_ptr<int>> taken(std::move(ring));
  EXPECT_TRUE(ring.empty());  // NOLINT: that is the promise
  ring.push(std::make_unique<int>(0));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(*taken.front(), i);
    taken.pop();
  }
}

TEST(RingTest, DestroysWhatIsLeft) {
  const auto counted = std::make_shared<int>(0);
  {
    Ring<std::shared_ptr<int>> ring;
    for (int i = 0; i < 20; ++i) ring.push(counted);
    for (int i = 0; i < 5; ++i) ring.pop();
    EXPECT_EQ(counted.use_count(), 16);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

/// Copies and moves of it throw once `left` of them have been made.
struct Exhaustible {
  Exhaustible(int v, int& budget) : value(v), left(&budget) {}
  Exhaustible(const Exhaustible& other) : value(other.value), left(other.left) { pay(); }
  Exhaustible(Exhaustible&& other) : value(other.value), left(other.left) { pay(); }  // NOLINT: not noexcept on purpose
  Exhaustible& operator=(const Exhaustible&) = delete;
  Exhaustible& operator=(Exhaustible&&) = delete;
  ~Exhaustible() = default;
  void pay() const {
    if ((*left)-- == 0) throw std::runtime_error("exhausted");
  }
  int value;
  int* left;
};

TEST(RingTest, APushThatThrowsHasNoEffect) {
  for (int allowed = 0; allowed < 9; ++allowed) {
    int left = 1000;
    Ring<Exhaustible> ring;
    for (int i = 0; i < 8; ++i) ring.push(Exhaustible(i, left));
    left = allowed;
    EXPECT_THROW(ring.push(Exhaustible(8, left)), std::runtime_error);  // copies eight, moves one
    ASSERT_EQ(ring.size(), 8U);
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(ring.front().value, i);
      ring.pop();
    }
  }
}

struct alignas(128) Wide {
  int value;
};

TEST(RingTest, KeepsAlignment) {
  Ring<Wide> ring;
  for (int i = 0; i < 9; ++i) ring.push(Wide{i});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&ring.front()) % 128, 0U);
}

}  // namespace
}  // namespace coir::test
