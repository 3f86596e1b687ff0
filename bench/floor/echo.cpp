// The floor of echo: a loop around epoll in C's manner. Level triggered, one registration for each connection.
// SPDX-License-Identifier: MIT
#include <sys/epoll.h>

#include "../race/race_echo.hpp"
#include "floor.hpp"

race::Figure echo(int connections) {
  race::Echo echo(connections);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [epoll](int fd) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.fd = fd;
    race::check(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) == 0, "epoll_ctl");
  };
  watch(echo.listener());

  epoll_event ready[256];
  for (bool serving = true; serving;) {
    const int events = ::epoll_wait(epoll, ready, 256, -1);
    for (int i = 0; i < events; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == echo.listener()) {
        const int connection = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        race::check(connection >= 0, "accept4");
        race::Echo::no_delay(connection);
        watch(connection);
        continue;
      }
      char buffer[4096];
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n > 0) {
        echo.received();
        race::check(::send(fd, buffer, static_cast<std::size_t>(n), MSG_NOSIGNAL) == n, "send");
      } else {
        ::close(fd);
        if (echo.closed()) serving = false;
      }
    }
  }
  ::close(epoll);
  ::close(echo.listener());
  return echo.figure();
}
