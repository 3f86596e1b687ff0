// What the echo servers of the race share: the listener, the load generator, and the meter of their CPU time.
// SPDX-License-Identifier: MIT
//
// `PROGRAM echo_N` is the server. It listens on a port of the kernel's choice and starts the program named by
// RACE_LOAD as `$RACE_LOAD PORT N SECONDS`, which connects, sends 64 bytes at a time on each connection, prints
// `requests rps p50_us p99_us` and closes. The figure is CPU time for each request, of the whole server process, from
// the first byte that arrives to the first connection that closes: setting up and taking down does not count.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "race.hpp"

namespace race {

inline constexpr std::size_t echo_bytes = 64;

class Echo {
 public:
  /// Listens, and starts the generator.
  explicit Echo(int connections) : open_(connections) {
    const char* load = std::getenv("RACE_LOAD");
    check(load != nullptr, "RACE_LOAD must name the load generator");
    const char* seconds = std::getenv("RACE_SECONDS");

    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    check(::bind(listener_, name, length) == 0 && ::listen(listener_, 4096) == 0, "cannot listen");
    check(::getsockname(listener_, name, &length) == 0, "getsockname");

    int ends[2];
    check(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string arguments[] = {load, std::to_string(ntohs(address.sin_port)), std::to_string(connections),
                               seconds != nullptr ? seconds : "1"};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), arguments[3].data(), nullptr};
    const int failed = ::posix_spawn(&generator_, load, &actions, nullptr, argv, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ends[0];
    check(failed == 0, "cannot start RACE_LOAD");
  }
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  /// Not blocking; closing it is up to the server.
  [[nodiscard]] int listener() const noexcept { return listener_; }

  /// Of an accepted connection.
  static void no_delay(int connection) {
    const int yes = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }

  /// The server calls this for each request it has received,
  void received() {
    if (requests_++ == 0) began_ = cpu_seconds();
  }
  /// and this for each connection that has ended. True if it was the last one.
  bool closed() {
    if (ended_ == 0) {
      ended_ = cpu_seconds();
      counted_ = requests_;
    }
    return --open_ == 0;
  }

  /// When all connections are closed.
  Figure figure() {
    std::string line;
    char buffer[256];
    for (ssize_t n; (n = ::read(output_, buffer, sizeof buffer)) > 0;) line.append(buffer, static_cast<std::size_t>(n));
    ::close(output_);
    int status = 0;
    ::waitpid(generator_, &status, 0);
    double requests = 0, rps = 0, p50 = 0, p99 = 0;
    check(status == 0 && std::sscanf(line.c_str(), "%lf %lf %lf %lf", &requests, &rps, &p50, &p99) == 4,
          "the load generator failed");
    std::snprintf(buffer, sizeof buffer, "rps=%.0f p50_us=%g p99_us=%g", rps, p50, p99);
    return {(ended_ - began_) * 1e6 / static_cast<double>(counted_), buffer};
  }

 private:
  int listener_ = -1, output_ = -1, open_;
  pid_t generator_ = 0;
  std::uint64_t requests_ = 0, counted_ = 0;
  double began_ = 0, ended_ = 0;
};

}  // namespace race
