// SPDX-License-Identifier: MIT
// What a debugger does with the descriptor, done in the process itself.
#include "runtime_test.hpp"

#include <coir/debug_descriptor.hpp>

#include <cstdint>
#include <cstring>
#include <string>

namespace coir::test {
namespace {

class DebugDescriptorTest : public RuntimeTest {
 protected:
  template <class T>
  static T read(const void* object, std::uint32_t offset) {
    T value;
    std::memcpy(&value, static_cast<const char*>(object) + offset, sizeof value);
    return value;
  }
};

TEST_F(DebugDescriptorTest, LeadsToEachSuspendedTaskAndItsFrame) {
  const CoirDebugDescriptor& d = coir_debug_descriptor;
  ASSERT_STREQ(d.magic, "coirdbg");
  ASSERT_EQ(d.version, 1U);
  ASSERT_EQ(d.bytes, sizeof d);
  run([&] {
    auto sleeper = create_task([] { sleep(1h); }, TaskOptions{.name = "sleeper"});
    sleep(0s);

    bool found = false;
    for (const void* each = *d.first_loop; each != nullptr; each = read<const void*>(each, d.loop_next)) {
      for (const void* task = read<const void*>(each, d.loop_oldest_task); task != nullptr;
           task = read<const void*>(task, d.task_newer)) {
        const auto* name = read<const std::string*>(task, d.task_name);
        if (name == nullptr || *name != "sleeper") continue;
        found = true;
        EXPECT_TRUE(read<bool>(each, d.loop_running));
        EXPECT_STREQ(read<const char*>(task, d.future_kind), "Task");
        EXPECT_NE(std::string(read<const char*>(task, d.future_file)).find("debug_descriptor_test"), std::string::npos);
        EXPECT_STREQ(read<const char*>(read<const void*>(task, d.task_waiting_on), d.future_kind), "sleep");
        const void* fiber = read<const void*>(task, d.task_fiber);
        ASSERT_NE(fiber, nullptr);
        const auto* frame = read<const std::uintptr_t*>(fiber, d.fiber_frame);
        // The caller's frame is further up the same stack, within its reserve.
        EXPECT_GT(frame[0], reinterpret_cast<std::uintptr_t>(frame));
        EXPECT_LT(frame[0], reinterpret_cast<std::uintptr_t>(fiber));
        EXPECT_NE(frame[1], 0U);
      }
    }
    EXPECT_TRUE(found);
    sleeper.cancel();
    sleep(0s);
  });
}

}  // namespace
}  // namespace coir::test
