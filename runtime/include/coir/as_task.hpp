// SPDX-License-Identifier: MIT
// Callbacks that may await.
#pragma once

#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/detail/job.hpp>
#include <coir/event_loop.hpp>
#include <coir/task.hpp>

namespace coir {
namespace detail {

/// Runs callbacks on the loop that was running when it was made, from any thread.
class COIR_EXPORT LoopDoor {
 public:
  /// Errors    UsageError (no_running_loop)
  LoopDoor();
  /// The loop, if this thread runs it now; else null.
  EventLoop* here() const noexcept;
  /// Posts it; destroyed and counted as a stray if the loop is closed.
  void post(HandleNode* node, SourceLocation where) const noexcept;

 private:
  std::shared_ptr<Inbox> inbox_;
};

}  // namespace detail

/// A callback for foreign code, copyable and callable as f is: each call starts a task of the running loop that runs
/// f(arguments...), and returns at once. So the body of an old callback may await.
///
///     button.on_click = as_task([&](int id) { status.show(ask_server(id)); });
///
/// Shape     Calls return nothing. The arguments are copied, or moved, into the task; what they point to must live
///           until the task gets to it, which is after the call has returned.
/// Order     Tasks begin in the order of the calls. They run side by side: the next one begins when this one awaits.
///           All of them, and all copies, share one f.
/// Errors    UsageError (no_running_loop) where no loop runs, by as_task(). What f throws is reported as a task's
///           failure that nobody retrieved.
/// Threads   Calls from any thread; the task runs on the loop that ran where as_task() was called. Once that loop is
///           closed a call is counted (Stray::after_close).
/// Lifetime  f lives as long as a copy or a task that uses it.
template <class F>
auto as_task(F&& f, SourceLocation where = SourceLocation::current()) {
  return [f = std::make_shared<std::decay_t<F>>(std::forward<F>(f)), door = detail::LoopDoor(),
          where]<class... Args>(Args&&... args) -> void
           requires std::is_invocable_v<std::decay_t<F>&, std::decay_t<Args>...>
  {
    auto body = [f, args = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
      static_cast<void>(std::apply(*f, std::move(args)));
    };
    if (EventLoop* loop = door.here()) {
      static_cast<void>(loop->create_task(std::move(body), where));
    } else {
      door.post(detail::make_callback(
                    [body = std::move(body), where]() mutable {
                      static_cast<void>(get_running_loop().create_task(std::move(body), where));
                    },
                    where),
                where);
    }
  };
}

}  // namespace coir
