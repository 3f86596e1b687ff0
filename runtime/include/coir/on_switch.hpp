// SPDX-License-Identifier: MIT
// A program's own thread-local state, kept apart for each task.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <coir/detail/export.hpp>
#include <coir/event_loop.hpp>

namespace coir {
namespace detail {

/// What a loop calls whenever it goes into a task and out of it, on the loop's thread.
///
/// SH1  enter(task) and leave(task) alternate, whatever the task: a task that starts another one eagerly is left meanwhile.
class SwitchHook {
 public:
  SwitchHook() = default;
  SwitchHook(const SwitchHook&) = delete;
  SwitchHook& operator=(const SwitchHook&) = delete;
  virtual ~SwitchHook() = default;
  virtual void enter(const void* task) = 0;
  virtual void leave(const void* task) = 0;
  /// The task has ended, and been left.
  virtual void forget(const void* task) noexcept = 0;
};

template <class Save, class Restore>
class SwitchHookOf final : public SwitchHook {
 public:
  using Value = std::decay_t<std::invoke_result_t<Save&>>;

  SwitchHookOf(Save save, Restore restore) : save_(std::move(save)), restore_(std::move(restore)) {}

  void enter(const void* task) override {
    outside_.emplace(save_());
    const auto own = values_.find(task);
    if (own != values_.end()) restore_(std::as_const(own->second));  // else it begins with what is there
  }
  void leave(const void* task) override {
    values_.insert_or_assign(task, save_());
    if (outside_) restore_(std::as_const(*outside_));
  }
  void forget(const void* task) noexcept override { values_.erase(task); }

 private:
  Save save_;
  Restore restore_;
  std::unordered_map<const void*, Value> values_;  // of the tasks that have been left
  std::optional<Value> outside_;                   // what was there when the present task was entered
};

COIR_EXPORT void add_switch_hook(EventLoop& loop, std::unique_ptr<SwitchHook> hook);

}  // namespace detail

/// Gives each task of `loop` its own copy of a thread-local state that code below it relies on: a log prefix, a locale, an
/// error queue, the current transaction of an old library. save() reads the thread's present value and returns a copy of
/// it; restore(value) makes a copy the thread's present value. Whenever a task is left, its value is saved and the one
/// from outside of it is put back; whenever it goes on, the other way round. A new task begins with the value that there
/// is outside of tasks.
///
/// State that belongs to coir's own tasks is simpler as a ContextVar, and free. errno and C++ exceptions in flight are
/// kept apart without this.
///
/// Order     Hooks are saved and restored in the order in which they were added.
/// Errors    UsageError (loop_is_closed). What save() and restore() throw goes to the loop's exception handler, and
///           the task runs on.
/// Threads   The loop's.
/// Lifetime  Until the loop is destroyed.
/// Cost      Each switch then goes by way of the loop's own stack, with a save(), a restore() and a hash look-up at both
///           ends. Loops without a hook pay a test for each task.
template <class Save, class Restore>
void on_switch(EventLoop& loop, Save save, Restore restore) {
  static_assert(std::is_invocable_v<Restore&, const std::decay_t<std::invoke_result_t<Save&>>&>,
                "restore must take what save returns");
  detail::add_switch_hook(loop, std::make_unique<detail::SwitchHookOf<Save, Restore>>(std::move(save),
                                                                                      std::move(restore)));
}

}  // namespace coir
