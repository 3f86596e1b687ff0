// SPDX-License-Identifier: MIT
// c-ares: names side by side, one that is known already, one that is given up, and a server that goes away. The name
// server is a task of this program.
#include "cares.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

using namespace std::chrono_literals;

/// Answers every question with 192.0.2.<length of the first label>, none for "slow...", and no such name for "no...".
class NameServer {
 public:
  NameServer() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd_, any, size) != 0 || getsockname(fd_, any, &size) != 0) throw std::runtime_error("no UDP socket");
    port = ntohs(address.sin_port);
  }
  ~NameServer() { close(fd_); }
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  void serve() const {
    for (std::array<unsigned char, 512> packet{};;) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      coir::await_readable(fd_);
      const auto length =
          recvfrom(fd_, packet.data(), packet.size() - 16, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (length < 17 || std::memcmp(&packet[13], "slow", 4) == 0) continue;
      const bool known = std::memcmp(&packet[13], "no", 2) != 0;
      packet[2] = 0x81, packet[3] = known ? 0x80 : 0x83;  // a response; NXDOMAIN
      packet[7] = known ? 1 : 0;                          // how many answers
      packet[11] = 0;
      const unsigned char answer[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, packet[12]};
      std::memcpy(&packet[static_cast<std::size_t>(length)], answer, sizeof answer);
      sendto(fd_, packet.data(), static_cast<std::size_t>(length) + (known ? sizeof answer : 0), 0,
             reinterpret_cast<sockaddr*>(&from), size);
    }
  }
  int port = 0;

 private:
  int fd_;
};

std::string lookup(Resolver& resolver, const std::string& name) {
  try {
    return name + " is " + resolver.resolve(name).front();
  } catch (const DnsError& error) {
    return name + ": " + error.what();
  }
}

int main() {
  coir::run([] {
    auto server = std::make_unique<NameServer>();
    auto serving = coir::create_task([&] { server->serve(); });
    Resolver resolver("127.0.0.1:" + std::to_string(server->port), 2s);

    auto both = coir::gather(coir::create_task([&] { return resolver.resolve("three.test"); }),
                             coir::create_task([&] { return resolver.resolve("seventeen.test"); }));
    const auto [three, seventeen] = coir::await(both);
    std::printf("side by side: %s, %s\n", three[0].c_str(), seventeen[0].c_str());
    std::puts(lookup(resolver, "nowhere.test").c_str());
    std::puts(lookup(resolver, "127.0.0.7").c_str());  // known: the callback comes at once

    try {
      coir::timeout(20ms, [&] { resolver.resolve("slow.test"); });
    } catch (const coir::TimeoutError&) {
      std::printf("timed out, %zu answer is still owed\n", coir::pending_bridges().size());
    }

    auto in_flight = coir::create_task([&] { return lookup(resolver, "slower.test"); });
    auto given_up = coir::create_task([&] {
      Resolver other("127.0.0.1:" + std::to_string(server->port));
      auto waiting = coir::create_task([&] { return lookup(other, "slowest.test"); });
      coir::sleep(20ms);
      return waiting;  // and the channel is destroyed
    });
    std::puts(coir::await(coir::await(given_up)).c_str());
    serving.cancel();
    coir::wait(std::vector{serving});
    server.reset();
    std::printf("the server is gone\n");
    std::puts(lookup(resolver, "eight.test").c_str());
    std::puts(coir::await(in_flight).c_str());
    std::printf("%zu callbacks are still owed\n", coir::pending_bridges().size());
  });
}
