// The floor of a fiber runtime: a ready queue and Boost.Context's jump, and nothing that makes it a runtime.
// SPDX-License-Identifier: MIT
//
// No cancellation, exceptions, exception state, contexts, names, guards or errors; one loop for the process, one waiter
// for each thing. It has the two shapes that matter most for speed. *Direct*: there is no hub; a task that suspends
// takes the next entry of the queue on its own stack and jumps straight there, or nowhere if that is itself. *Lazy*: a
// task gets a stack when it first runs; a stack whose task ends runs the next one in place if that has none yet, or
// goes to the free list, last in first out. main() is a task, too.
#pragma once

#include <boost/context/detail/fcontext.hpp>

#include <chrono>
#include <cstddef>
#include <ctime>
#include <new>
#include <queue>
#include <type_traits>
#include <utility>
#include <vector>

#include "stacks.hpp"

namespace bare {

using boost::context::detail::fcontext_t;
using boost::context::detail::transfer_t;

/// An entry of the ready queue: a callback, or a task, which has no function.
struct Node {
  Node* next = nullptr;
  void (*call)(Node*) = nullptr;
};

struct Task : Node {
  fcontext_t at = nullptr;  // where it is suspended; null: it has no stack yet
  Task* joiner = nullptr;
  bool done = false;
  void (*body)(Task*) = nullptr;
  alignas(8) std::byte closure[32];
};

/// A stack without a task.
struct Idle {
  fcontext_t at = nullptr;
  Idle* next = nullptr;
};

struct Timer {
  std::chrono::nanoseconds when;
  Task* task;
  bool operator<(const Timer& other) const noexcept { return other.when < when; }  // std's queue has the greatest first
};

// The loop. Plain globals: an address the linker knows is the cheapest way there is to find it.
inline Node* head = nullptr;
inline Node** tail = &head;
inline Task main_task;
inline Task* current = &main_task;
inline Idle* idle_stacks = nullptr;
inline Task* free_tasks = nullptr;  // by Node::next
inline Stacks stacks{std::size_t{1'200'000}};
inline std::priority_queue<Timer> timers;

inline void make_ready(Node* node) noexcept {
  node->next = nullptr;
  *tail = node;
  tail = &node->next;
}

inline std::chrono::nanoseconds now() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

/// Sleeps until a timer is due, if none is, and makes ready what is.
[[gnu::noinline, gnu::cold]] inline void wait_for_timers() {
  while (head == nullptr) {
    if (timers.empty()) __builtin_trap();  // deadlock
    const auto time = now();
    for (; !timers.empty() && timers.top().when <= time; timers.pop()) make_ready(timers.top().task);
    if (head != nullptr) return;
    const auto left = (timers.top().when - time).count();
    const timespec duration{left / 1'000'000'000, left % 1'000'000'000};
    ::nanosleep(&duration, nullptr);
  }
}

[[gnu::always_inline]] inline Task* next_task() {
  for (;;) {
    if (head == nullptr) wait_for_timers();
    Node* const node = head;
    head = node->next;
    if (head == nullptr) tail = &head;
    if (node->call == nullptr) return static_cast<Task*>(node);
    node->call(node);
  }
}

void stack_main(transfer_t from);

[[gnu::noinline]] inline fcontext_t take_stack() {
  if (Idle* const idle = idle_stacks) {
    idle_stacks = idle->next;
    return idle->at;
  }
  return boost::context::detail::make_fcontext(stacks.carve(), Stacks::usable, stack_main);
}

/// Leaves a mark where the caller is; whoever is arrived at writes it down.
[[gnu::always_inline]] inline void jump(Task* to, fcontext_t* mark) {
  current = to;
  const transfer_t from = boost::context::detail::jump_fcontext(to->at != nullptr ? to->at : take_stack(), mark);
  *static_cast<fcontext_t*>(from.data) = from.fctx;
}

/// Until someone makes the task ready.
[[gnu::always_inline]] inline void suspend() {
  Task* const me = current;
  Task* const to = next_task();
  if (to != me) jump(to, &me->at);
}

inline void stack_main(transfer_t from) {
  *static_cast<fcontext_t*>(from.data) = from.fctx;
  for (Idle idle;;) {
    Task* const task = current;
    task->body(task);
    task->done = true;
    if (task->joiner != nullptr) make_ready(task->joiner);
    Task* const to = next_task();
    if (to->at == nullptr) {
      current = to;
    } else {
      idle.next = std::exchange(idle_stacks, &idle);
      jump(to, &idle.at);
    }
  }
}

// ---- what tasks call ------------------------------------------------------------------------------------------------

template <class F>
[[gnu::always_inline]] inline Task* spawn(F f) {
  static_assert(sizeof(F) <= sizeof(Task::closure) && std::is_trivially_destructible_v<F>);
  Task* task = free_tasks;
  if (task != nullptr) {
    free_tasks = static_cast<Task*>(task->next);
    task->at = nullptr;
    task->joiner = nullptr;
    task->done = false;
  } else {
    task = new Task;
  }
  ::new (static_cast<void*>(task->closure)) F(std::move(f));
  task->body = [](Task* self) { (*std::launder(reinterpret_cast<F*>(self->closure)))(); };
  make_ready(task);
  return task;
}

/// Waits for its end and frees it.
[[gnu::always_inline]] inline void join(Task* task) {
  if (!task->done) {
    task->joiner = current;
    suspend();
  }
  task->next = std::exchange(free_tasks, task);
}

[[gnu::always_inline]] inline void yield() {
  make_ready(current);
  suspend();
}

inline void sleep(std::chrono::nanoseconds duration) {
  timers.push({now() + duration, current});
  suspend();
}

/// Something that one task waits for.
struct Event {
  bool done = false;
  Task* waiter = nullptr;

  [[gnu::always_inline]] void set() {
    done = true;
    if (waiter != nullptr) make_ready(std::exchange(waiter, nullptr));
  }
  [[gnu::always_inline]] void wait() {
    if (done) return;
    waiter = current;
    suspend();
  }
};

/// A bounded queue for one producer and one consumer.
template <class T, std::size_t Capacity>
class Channel {
 public:
  [[gnu::always_inline]] void put(T item) {
    while (back_ - front_ == Capacity) wait(putter_);
    items_[back_++ % Capacity] = item;
    wake(getter_);
  }
  [[gnu::always_inline]] T get() {
    while (back_ == front_) wait(getter_);
    const T item = items_[front_++ % Capacity];
    wake(putter_);
    return item;
  }

 private:
  [[gnu::always_inline]] static void wait(Task*& place) {
    place = current;
    suspend();
  }
  [[gnu::always_inline]] static void wake(Task*& place) {
    if (place != nullptr) make_ready(std::exchange(place, nullptr));
  }
  T items_[Capacity];
  std::size_t front_ = 0, back_ = 0;
  Task* getter_ = nullptr;
  Task* putter_ = nullptr;
};

}  // namespace bare
