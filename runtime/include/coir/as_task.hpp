// SPDX-License-Identifier: MIT
// Callbacks that may await.
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <coir/detail/job.hpp>
#include <coir/detail/task_arguments.hpp>
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
///     server.on_request = as_task([&](const std::string& path) { ... });      // called with a char*: a string of the task's
///
/// Shape     Calls return nothing. If f has one signature (a function, a lambda without `auto`, a std::function), the
///           arguments become its parameters at the call, and the task owns those; an object of a derived class stays
///           one. The arguments of any other f are copied, or moved, as they are passed.
///           What a pointer parameter points to must live until the task gets to it, after the call has returned. A
///           string_view, span or other parameter that does not own its data (owns_its_data) refers to a copy of the
///           argument if that owns them, and does not compile otherwise, as does a T& that is not const: f would write
///           to a copy. Take the T, a pointer or a std::reference_wrapper; or say borrowed<T> for what lives long enough.
/// Order     Tasks begin in the order of the calls. They run side by side: the next one begins when this one awaits.
///           All of them, and all copies, share one f.
/// Errors    UsageError (no_running_loop) where no loop runs, by as_task(). What copying an argument throws, by the call.
///           What f throws is reported as a task's failure that nobody retrieved.
/// Threads   Calls from any thread; the task runs on the loop that ran where as_task() was called. Once that loop is
///           closed a call is counted (Stray::after_close).
/// Lifetime  f lives as long as a copy or a task that uses it.
template <class F>
auto as_task(F&& f, SourceLocation where = SourceLocation::current()) {
  return [f = std::make_shared<std::decay_t<F>>(std::forward<F>(f)), door = detail::LoopDoor(),
          where]<class... Args>(Args&&... args) -> void
           requires detail::TaskCall<std::decay_t<F>, Args...>::is_one
  {
    using Call = detail::TaskCall<std::decay_t<F>, Args...>;
    static_assert(!Call::loses_writes,
                  "as_task(f): f has a parameter T&, and would write to a copy, for its task runs after this call has "
                  "returned. Take the T, or, if the caller's lives on, a T* or std::reference_wrapper<T>");
    static_assert(!Call::dangles,
                  "as_task(f): a string_view, span or the like would refer to what is gone when the task runs, after "
                  "this call has returned. Take a std::string or std::vector, or say borrowed<T> if it lives long enough");
    static_assert(Call::is_copied,
                  "as_task(f): an argument cannot be copied, and the task runs after this call has returned. Take a "
                  "pointer or std::reference_wrapper if the caller's lives on, or copy what f needs of it");
    if constexpr (!Call::refused) {
      auto body = [f, args = Call::keep(std::forward<Args>(args)...)]() mutable {
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
    }
  };
}

}  // namespace coir
