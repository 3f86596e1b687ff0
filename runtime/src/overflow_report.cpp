// SPDX-License-Identifier: MIT
#include "overflow_report.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "loop_core.hpp"

namespace coir::detail {
namespace {

/// Text assembled without the heap or stdio: this runs in a signal handler.
class Message {
 public:
  Message& operator<<(const char* text) noexcept {
    while (*text != '\0' && used_ < sizeof text_) text_[used_++] = *text++;
    return *this;
  }
  Message& operator<<(std::uint64_t number) noexcept {
    char digits[21];
    std::size_t first = sizeof digits - 1;
    digits[first] = '\0';
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return *this << &digits[first];
  }
  void write() const noexcept { static_cast<void>(!::write(STDERR_FILENO, text_, used_)); }

 private:
  char text_[1024];
  std::size_t used_ = 0;
};

}  // namespace

void report_stack_overflow(const fibers::Overflow& overflow) noexcept {
  Message message;
  message << "coir: stack overflow in ";
  if (overflow.argument == nullptr) {
    message << "a fiber without a task";
  } else {
    const auto& task = *static_cast<const TaskState*>(overflow.argument);
    message << "task '";
    if (const char* name = task.name_for_signal_handler()) {
      message << name;
    } else {
      message << "Task-" << task.id();
    }
    message << "' created at ";
    if (task.created_at().file != nullptr) {
      message << task.created_at().file << ":" << task.created_at().line;
    } else {
      message << "an unknown place";
    }
  }
  const auto size = static_cast<std::uint64_t>(overflow.stack.top - overflow.stack.base);
  const auto guard = static_cast<std::uint64_t>(overflow.stack.limit - overflow.stack.base);
  message << ": its stack of " << size / 1024 << " KiB (guard of " << guard / 1024
          << " KiB included) is used up. Raise LoopOptions::stack_bytes, or move large locals to the heap.\n";
  message.write();
}

}  // namespace coir::detail
