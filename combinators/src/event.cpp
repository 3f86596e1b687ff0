// SPDX-License-Identifier: MIT
#include <coir/event.hpp>

namespace coir {

void Event::wait_until_set() {
  detail::Waiter waiter(line_);
  waiter.wait(detail::Waiter::Needs::wake_up);
}

}  // namespace coir
