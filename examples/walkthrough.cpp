// SPDX-License-Identifier: MIT
// What happens, step by step, when main gathers one function that sleeps and one that does not.
//
// Every line printed is an event of the runtime, in the order in which it happened. `walkthrough --virtual` takes no
// time; without it the sleep lasts its second.
#include <coir/coir.hpp>
#include <coir/testing.hpp>
#include <coir/trace.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;

int req1() {
  coir::sleep(1s);
  return 1;
}
int req2() { return 2; }

int main_task() {
  auto [a, b] = coir::await(coir::gather(req1, req2));
  return a + b;
}

// Turns the events of the runtime into the numbered steps of the walk-through.
class Narrator final : public coir::Tracer {
 public:
  void on_event(const coir::TraceEvent& event) override {
    using Kind = coir::TraceEvent::Kind;
    const std::string task = name_of(event.task);
    const std::string future = name_of(event.future);
    const bool of_gather = std::string_view(event.name) == "gather";
    switch (event.kind) {
      case Kind::task_created:
        tasks_.push_back(event.task);
        return step(name_of(event.task) + ": task created, its first step is queued");
      case Kind::callback_added:
        return step(future + ": " + (of_gather ? "gather callback" : "done-callback") + " added");
      case Kind::step_runs: return step(task + ": step runs");
      case Kind::future_created: return step(std::string(event.name) + " future created");
      case Kind::timer_added: return step(std::string(event.name) + " timer added");
      case Kind::blocks_on: return step(task + ": blocks on the " + future + " future");
      case Kind::wakeup_added: return step(task + ": wake-up added to the " + future + " future");
      case Kind::wakeup_runs: return step(task + ": wake-up runs");
      case Kind::unblocks: return step(task + ": unblocks" + result_of(event.future));
      case Kind::future_done:
        return step(of_gather ? "the gather callback sets the gather future" : "the timer sets the sleep future");
      case Kind::callback_runs:
        if (of_gather) step(future + ": gather callback runs" + (callbacks_++ == 0 ? ", not yet complete" : ""));
        return;
      case Kind::task_done:
        if (const int* value = event.task.get_if<int>(); value != nullptr && task != "main") {
          step(task + ": returns " + std::to_string(*value));
        }
        return;
      case Kind::stop: return step("main: callback stops the loop");
      case Kind::yields: return;
    }
  }
  int steps() const { return steps_; }

 private:
  void step(const std::string& text) { std::printf("%2d  %s\n", ++steps_, text.c_str()); }

  std::string name_of(const coir::AnyFuture& future) const {
    static const char* const names[] = {"main", "req1", "req2"};
    for (std::size_t i = 0; i < tasks_.size() && i < std::size(names); ++i) {
      if (tasks_[i] == future) return names[i];
    }
    return future ? future.state().kind() : "";
  }
  static std::string result_of(const coir::AnyFuture& future) {
    const auto* both = future.get_if<std::tuple<int, int>>();
    if (both == nullptr) return "";
    return " with [" + std::to_string(std::get<0>(*both)) + ", " + std::to_string(std::get<1>(*both)) + "]";
  }

  std::vector<coir::AnyFuture> tasks_;
  int steps_ = 0;
  int callbacks_ = 0;
};

int main(int argc, char** argv) {
  coir::VirtualClock clock;
  const bool virtual_time = argc > 1 && std::string_view(argv[1]) == "--virtual";
  coir::EventLoop loop({.clock = virtual_time ? &clock : nullptr});
  Narrator narrator;
  loop.set_tracer(&narrator);
  const int sum = loop.run_until_complete(main_task);
  loop.set_tracer(nullptr);
  std::printf("main returned %d after %d steps\n", sum, narrator.steps());
}
