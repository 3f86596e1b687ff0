// SPDX-License-Identifier: MIT
#include <coir/debug_descriptor.hpp>

#include <cstddef>

#include "loop_core.hpp"

// Offsets into types that are not standard layout: GCC and Clang support it for types without virtual bases.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace coir::detail {

/// A friend of what it measures.
struct DebugLayout {
  static constexpr CoirDebugDescriptor describe() noexcept {
    return {
        .magic = "coirdbg",
        .version = 1,
        .bytes = sizeof(CoirDebugDescriptor),
        .first_loop = &LoopCore::first_loop_,
        .loop_next = offsetof(LoopCore, next_loop_),
        .loop_oldest_task = offsetof(LoopCore, oldest_task),
        .loop_running = offsetof(LoopCore, running),
        .task_newer = offsetof(TaskState, newer_),
        .task_id = offsetof(TaskState, id_),
        .task_name = offsetof(TaskState, name_),
        .task_fiber = offsetof(TaskState, fiber_),
        .task_waiting_on = offsetof(TaskState, waiting_on_),
        .future_file = offsetof(FutureState, where_) + offsetof(SourceLocation, file),
        .future_line = offsetof(FutureState, where_) + offsetof(SourceLocation, line),
        .future_kind = offsetof(FutureState, kind_),
        .fiber_frame = offsetof(fibers::Fiber, frame),
    };
  }
};

}  // namespace coir::detail

const CoirDebugDescriptor coir_debug_descriptor = coir::detail::DebugLayout::describe();
