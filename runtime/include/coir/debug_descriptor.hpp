// SPDX-License-Identifier: MIT
// Where a debugger finds loops, tasks and suspended stacks, in a live process or a core file.
#pragma once

#include <cstdint>

#include <coir/detail/export.hpp>

extern "C" {

/// All offsets are in bytes from the start of the object named first. Read the version before anything else: it changes
/// whenever a field is moved or changes its meaning; new fields are appended and show in `bytes`.
///
/// To list tasks: follow *first_loop by loop_next; in each loop follow oldest_task by task_newer. A task with a null
/// fiber has not begun or is done. A suspended fiber's `frame` points to a frame record {caller's frame pointer,
/// return address}: so fp = frame[0], pc = frame[1], sp = frame + 16, and the unwinding of the task's stack starts there.
/// It does not depend on the layout of Boost's saved registers, which changed at 1.81.
struct CoirDebugDescriptor {
  char magic[8];                   ///< "coirdbg"
  std::uint32_t version;           ///< 1
  std::uint32_t bytes;             ///< size of this struct
  const void* const* first_loop;   ///< of the list of loops; null when there is none
  std::uint32_t loop_next;         ///< loop: the next one
  std::uint32_t loop_oldest_task;  ///< loop: its first unfinished task
  std::uint32_t loop_running;      ///< loop: one byte, whether it runs
  std::uint32_t task_newer;        ///< task: the next one
  std::uint32_t task_id;           ///< task: 64 bits; the name is "Task-<id>" where task_name is null
  std::uint32_t task_name;         ///< task: a std::string*, or null
  std::uint32_t task_fiber;        ///< task: its fiber, or null
  std::uint32_t task_waiting_on;   ///< task: the future it waits on, or null
  std::uint32_t future_file;       ///< future (a task is one, at its start): a char*, where it was created, or null
  std::uint32_t future_line;       ///< future: 32 bits
  std::uint32_t future_kind;       ///< future: a char*: "Task", "sleep", "gather"
  std::uint32_t fiber_frame;       ///< fiber: the frame record, valid while it is suspended
};

extern COIR_EXPORT const CoirDebugDescriptor coir_debug_descriptor;
}
