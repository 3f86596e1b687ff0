// SPDX-License-Identifier: MIT
#include <coir/event.hpp>

#include <coir/detail/return_by_jump.hpp>

namespace coir {

COIR_RETURN_BY_JUMP void Event::wait_until_set() {
  detail::Waiter waiter(line_);
  waiter.wait(detail::Waiter::Needs::wake_up);
}

}  // namespace coir
