// SPDX-License-Identifier: MIT
#include "task_stack.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <thread>
#include <typeinfo>
#include <utility>

#include <coir/task.hpp>

#include "backtrace.hpp"
#include "loop_core.hpp"
#include "symbols.hpp"

namespace coir {
namespace detail {
namespace {

constexpr std::size_t max_frames = 1000;

/// coir's own functions and the templates of its headers, and what Boost has on the stack between them. The tests of
/// coir itself, in coir::test, are users like others.
bool of_the_library(const StackFrame& frame) noexcept {
  const std::string_view name = frame.function;
  return (name.starts_with("coir::") && !name.starts_with("coir::test::")) || name.starts_with("boost::context::") ||
         name.starts_with("libcoir_");  // its name is not exported, its library's is known
}

/// What stands between the task's first function and the library: std::invoke, std::function.
bool of_a_call(const StackFrame& frame) noexcept {
  return of_the_library(frame) || std::string_view(frame.function).starts_with("std::");
}

/// How the library calls back, in the middle: between timeout() and what it was given.
bool between_calls(const StackFrame& frame) noexcept {
  const std::string_view name = frame.function;
  return name.starts_with("coir::detail::") || name.starts_with("std::__invoke") || name.starts_with("std::invoke");
}

/// The type of the task's callable, which for a lambda or a class is the name of its first function. From
/// "coir::detail::TaskOf<int, main::{lambda()#1}>". Empty for what says nothing: a pointer, a std::function.
std::string body_of(const TaskState& task) {
  constexpr std::string_view before = "coir::detail::TaskOf<";
  const std::string type = demangle(typeid(task).name());
  if (!type.starts_with(before)) return {};
  std::size_t comma = 0;
  int depth = 0;
  for (std::size_t i = before.size(); i < type.size() && comma == 0; ++i) {
    if (std::string_view("<({").find(type[i]) != std::string_view::npos) ++depth;
    if (std::string_view(">)}").find(type[i]) != std::string_view::npos) --depth;
    if (type[i] == ',' && depth == 0) comma = i;
  }
  if (comma == 0) return {};
  const std::size_t begin = comma + 2;
  const std::string callable = type.substr(begin, type.find_last_not_of(" >", type.rfind('>')) + 1 - begin);
  if (callable.find("(*)") != std::string::npos || callable.find("(&)") != std::string::npos) return {};
  StackFrame frame;
  frame.function = plain_name(callable);
  return of_a_call(frame) ? std::string() : frame.function;
}

StackFrame first_function(const TaskState& task, std::string name) {
  const SourceLocation where = task.created_at();
  return {nullptr, std::move(name), where.file != nullptr ? where.file : "", where.line};
}

std::vector<StackFrame> name_all(const void* const* addresses, std::size_t count) {
  std::vector<StackFrame> frames;
  for (std::size_t i = 0; i < count; ++i) {
    for (StackFrame& frame : symbolize(addresses[i])) frames.push_back(std::move(frame));
  }
  return frames;
}

void cut_off_the_library(std::vector<StackFrame>& frames) {
  frames.erase(frames.begin(), std::find_if_not(frames.begin(), frames.end(), of_the_library));
  frames.erase(std::find_if_not(frames.rbegin(), frames.rend(), of_a_call).base(), frames.end());
  std::erase_if(frames, between_calls);
}

std::vector<StackFrame> all_frames_of(TaskState& task) {
  if (task.done()) return {};
  const std::string body = body_of(task);
  LoopCore& core = task.loop();
  std::vector<StackFrame> frames;
  if (task.fiber() != nullptr) {
    if (!core.running) core.fibers.enter_thread();
    std::vector<const void*> addresses(max_frames);
    const auto count = fibers::backtrace(core.fibers, *task.fiber(), addresses.data(), addresses.size());
    if (!count) return {first_function(task, "(not walked: too little of the stack is free)")};
    frames = name_task_frames(addresses.data(), *count);
  }
  // Not begun, or inlined into what was cut off.
  const bool named = std::any_of(frames.begin(), frames.end(), [&](const StackFrame& frame) {
    return frame.function.find(body) != std::string::npos;
  });
  if (frames.empty() || (!named && !body.empty())) {
    frames.push_back(first_function(task, !body.empty()             ? body
                                          : task.fiber() != nullptr ? "(no name)"
                                                                    : "(not begun)"));
  }
  return frames;
}

}  // namespace

std::vector<StackFrame> name_task_frames(const void* const* addresses, std::size_t count) {
  std::vector<StackFrame> frames = name_all(addresses, count);
  cut_off_the_library(frames);
  return frames;
}

std::vector<StackFrame> name_callback_frames(const void* const* addresses, std::size_t count) {
  std::vector<StackFrame> frames = name_all(addresses, count);
  const auto called = std::find_if(frames.begin(), frames.end(), [](const StackFrame& frame) {
    return frame.function == "coir::detail::LoopCore::run_callback";
  });
  if (called == frames.end()) return frames;
  frames.erase(called, frames.end());
  cut_off_the_library(frames);
  return frames;
}

void require_own_thread(const LoopCore& loop, const char* call) {
  if (!loop.running || loop.thread == std::this_thread::get_id()) return;
  throw UsageError(UsageError::Reason::wrong_thread,
                   std::string(call) +
                       " was called from a thread that does not run the task's loop, whose stacks change "
                       "meanwhile. Have the loop do it: call_soon_threadsafe(), or a signal handler.");
}

std::vector<StackFrame> frames_of(TaskState& task, std::optional<int> limit, int skip) {
  require_own_thread(task.loop(), "get_stack()");
  const int saved = errno;  // reading symbols opens files
  std::vector<StackFrame> frames = all_frames_of(task);
  errno = saved;
  frames.erase(frames.begin(), frames.begin() + std::clamp<std::ptrdiff_t>(skip, 0, std::ssize(frames)));
  if (!limit) return frames;
  const auto kept = std::min<std::ptrdiff_t>(std::abs(*limit), std::ssize(frames));
  if (*limit >= 0) {
    frames.erase(frames.begin() + kept, frames.end());
  } else {
    frames.erase(frames.begin(), frames.end() - kept);
  }
  return frames;
}

std::vector<StackFrame> get_stack(TaskState& task, std::optional<int> limit) {
  std::vector<StackFrame> frames = frames_of(task, limit);
  std::reverse(frames.begin(), frames.end());
  return frames;
}

void print_stack(TaskState& task, std::optional<int> limit, std::ostream* out) {
  std::string text;
  for (const StackFrame& frame : get_stack(task, limit)) text += "  " + to_string(frame) + "\n";
  text = (text.empty() ? "No stack for " : "Stack for ") + describe(static_cast<FutureState&>(task)) +
         (text.empty() ? "\n" : " (most recent call last):\n" + text);
  (out != nullptr ? *out : std::cerr) << text << std::flush;
}

}  // namespace detail

std::string to_string(const StackFrame& frame) {
  if (frame.file.empty()) return "in " + frame.function;
  return "File \"" + frame.file + "\", line " + std::to_string(frame.line) + ", in " + frame.function;
}

}  // namespace coir
