// SPDX-License-Identifier: MIT
// One run of a program: its loop, its trace, and everything that has a name.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <coir/context.hpp>
#include <coir/coir.hpp>

#include "program.hpp"

namespace coir {
class TaskGroup;
}

namespace coir::conformance {

/// The error that programs raise.
struct Error {
  int number;
};

inline constexpr std::chrono::microseconds tick{1};
inline constexpr Duration step = 100 * tick;

/// Idle, it jumps to the next multiple of `step` at or behind the deadline: as in asyncio_world.py.
class SteppingClock final : public Clock {
 public:
  TimePoint now() override { return now_; }
  bool jump_to(TimePoint deadline) override;
  bool is_virtual() const noexcept override { return true; }
  long steps() const { return (now_ - TimePoint{}) / step; }

 private:
  TimePoint now_{};
};

using Futures = std::vector<Future<int>>;
using Typed = std::variant<Future<int>, Future<std::vector<int>>, Future<std::vector<Outcome<int>>>>;

/// A task or future with a name.
struct Slot {
  Slot(Task<int> made) : future(made), task(made), typed(Future<int>(made)) {}  // NOLINT: a conversion
  template <class T>
  Slot(Future<T> made) : future(made), typed(made) {}  // NOLINT: a conversion
  AnyFuture future;
  AnyTask task;  // empty if it is none
  Typed typed;
};

std::string describe_error(const std::exception_ptr& error);

template <class T>
std::string show(const T& value) {
  return std::to_string(value);
}
inline std::string show(bool value) { return value ? "true" : "false"; }
template <class T>
std::string show(const Outcome<T>& outcome) {
  return outcome.has_value() ? show(std::as_const(outcome).value()) : describe_error(outcome.error());
}
template <class T>
std::string show(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ",") + show(value);
  return "[" + text + "]";
}

class World {
 public:
  World();

  void emit(const std::string& who, const std::string& event);
  /// Emits what the call returned ("none" for void), or how it refused.
  template <class Call>
  void emit_call(const std::string& who, const std::string& text, Call&& call) {
    std::string result = "none";
    try {
      if constexpr (std::is_void_v<decltype(call())>) {
        call();
      } else {
        result = show(call());
      }
    } catch (const BaseException&) {
      throw;
    } catch (...) {
      result = describe_error(std::current_exception());
    }
    emit(who, text + " " + result);
  }

  /// The task or future of that name; "self" is `me`. A future is made at its first mention. Null: no such thing (yet).
  Slot* slot(const std::string& name, const std::string& me);
  void set_slot(const std::string& name, Slot made);
  std::string name_of(const AnyFuture& future) const;
  /// "pending c1": not done, one cancel() counted; "failed!": nobody has asked for the failure.
  std::string state(const Slot& slot) const;
  /// Appends whether a task is left, and the state of every slot, in order of their first mention.
  void emit_end();

  /// The lock or queue of that name.
  template <class T, class Make>
  T& thing(const std::string& name, Make&& make) {
    std::shared_ptr<void>& found = things[name];
    if (found == nullptr) {
      const std::shared_ptr<T> made = make();
      found = made;
    }
    return *static_cast<T*>(found.get());
  }

  /// Destroys the loop, with the tasks that have not begun; the stacks of the others leak.
  void end_loop() { owned_loop_.reset(); }

  SteppingClock clock;
  std::vector<std::string> trace;

 private:
  std::unique_ptr<EventLoop> owned_loop_;

 public:
  EventLoop& loop;
  std::vector<std::pair<std::string, Slot>> slots;
  std::map<std::string, std::pair<AnyFuture, CallbackId>> callbacks;
  std::map<std::string, Handle> handles;
  std::map<std::string, Timeout*> timeouts;       // of blocks that have not been left
  std::map<std::string, TaskGroup*> groups;       // of blocks that have not been left
  std::map<std::string, std::shared_ptr<void>> things;  // locks and queues: made at first use
  std::map<std::string, Context> contexts;
  std::map<std::string, std::pair<std::string, ContextVar<int>::Token>> tokens;  // with the variable's name
  std::map<std::string, int> inputs;              // counters of conditions

 private:
  static std::string describe_slot(const Slot& slot, bool with_value, bool unretrieved);
};

}  // namespace coir::conformance
