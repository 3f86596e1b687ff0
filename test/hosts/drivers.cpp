// SPDX-License-Identifier: MIT
#include "driver.hpp"

namespace coir::test {

const std::vector<HostFactory>& host_factories() {
  static const std::vector<HostFactory> factories{
      {"poll", make_poll_host},
#ifdef COIR_TEST_HOST_asio
      {"asio", make_asio_host},
#endif
#ifdef COIR_TEST_HOST_glib
      {"glib", make_glib_host},
#endif
#ifdef COIR_TEST_HOST_libuv
      {"libuv", make_libuv_host},
#endif
#ifdef COIR_TEST_HOST_libevent
      {"libevent", make_libevent_host},
#endif
#ifdef COIR_TEST_HOST_qt
      {"qt", make_qt_host},
#endif
#ifdef COIR_TEST_HOST_sd_event
      {"sd_event", make_sd_event_host},
#endif
  };
  return factories;
}

}  // namespace coir::test
