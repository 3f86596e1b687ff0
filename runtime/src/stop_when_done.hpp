// SPDX-License-Identifier: MIT
// What run_until_complete(), run() and run_virtual() wait with.
#pragma once

#include <memory>

#include <coir/event_loop.hpp>
#include <coir/future.hpp>

namespace coir::detail {

/// While it exists, stops the loop once the future is done.
///
/// A KeyboardInterrupt leaves the loop when the callback may be scheduled already, and then it cannot be removed any
/// more: it must not stop the next run.
class StopWhenDone {
 public:
  StopWhenDone(EventLoop& loop, const AnyFuture& future)
      : future_(future),
        id_(future.add_done_callback(
            [&loop, wanted = wanted_] {
              if (*wanted) loop.stop();
            },
            "stop the loop")) {}
  ~StopWhenDone() {
    *wanted_ = false;
    future_.remove_done_callback(id_);
  }
  StopWhenDone(const StopWhenDone&) = delete;
  StopWhenDone& operator=(const StopWhenDone&) = delete;

 private:
  std::shared_ptr<bool> wanted_ = std::make_shared<bool>(true);
  AnyFuture future_;
  CallbackId id_;
};

}  // namespace coir::detail
