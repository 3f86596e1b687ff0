// SPDX-License-Identifier: MIT
#include <coir/wait_for.hpp>

#include "watch.hpp"

namespace coir::detail {

void cancel_and_wait(const AnyFuture& future) {
  // A future of its own: awaiting `future` itself would pass a cancellation of this task on to it a second time.
  const Watch watch("wait_for", {&future, 1});
  const Future<void> waiter = watch.future();
  const CallbackId id = future.add_done_callback(
      [waiter] {
        if (!waiter.done()) waiter.set_result();
      },
      "wait_for");
  struct Remove {
    const AnyFuture& future;
    const CallbackId& id;
    ~Remove() { future.remove_done_callback(id); }
  } const remove{future, id};
  future.cancel();
  await(waiter);
}

}  // namespace coir::detail
