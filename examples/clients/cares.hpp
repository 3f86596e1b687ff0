// SPDX-License-Identifier: MIT
// Names resolved by c-ares, without a thread: it says which sockets to watch, and until when.
#pragma once

#include <coir/coir.hpp>

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>

#include <array>
#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct DnsError : std::runtime_error {
  explicit DnsError(int status) : std::runtime_error(ares_strerror(status)) {}
};
inline void check_dns(int status) {
  if (status != ARES_SUCCESS) throw DnsError(status);
}

/// One channel, for any number of tasks.
class Resolver {
 public:
  /// `servers`: "127.0.0.1:53,..."; empty: those of the system.
  explicit Resolver(const std::string& servers = "", std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
    ares_options options{};
    options.timeout = static_cast<int>(timeout.count());
    options.tries = 2;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int reads, int writes) {
      static_cast<Resolver*>(self)->watch(fd, reads != 0, writes != 0);
    };
    options.sock_state_cb_data = this;
    check_dns(ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB));
    if (!servers.empty()) check_dns(ares_set_servers_ports_csv(channel_, servers.c_str()));
  }
  /// Ends every wait with an error.
  ~Resolver() {
    ares_destroy(channel_);
    timer_.cancel();
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Suspends, unless the answer is known: then c-ares calls back inside of ares_gethostbyname(). One query cannot be
  /// cancelled, only all of a channel: the wait of a cancelled task ends at once, and the answer is dropped.
  std::vector<std::string> resolve(const std::string& name) {
    return coir::from_callback<std::vector<std::string>>(
        [&](auto completion) {
          auto cb = std::move(completion)
                        .template c<void(void*, int, int, hostent*)>([](auto& done, int status, int, hostent* host) {
                          status == ARES_SUCCESS ? done(addresses(*host)) : done.fail(DnsError(status));
                        });
          ares_gethostbyname(channel_, name.c_str(), AF_INET, cb.fn, cb.ud);
          set_timer();
        },
        {.name = "resolve"});
  }

 private:
  static std::vector<std::string> addresses(const hostent& host) {
    std::vector<std::string> all;
    for (char** address = host.h_addr_list; *address != nullptr; ++address) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      all.emplace_back(inet_ntop(host.h_addrtype, *address, text.data(), text.size()));
    }
    return all;
  }
  /// c-ares has another wish for this socket. Neither: it is about to close it.
  void watch(int fd, bool reads, bool writes) {
    loop_.remove_reader(fd);
    loop_.remove_writer(fd);
    if (reads) loop_.add_reader(fd, [this, fd] { process(fd, ARES_SOCKET_BAD); });
    if (writes) loop_.add_writer(fd, [this, fd] { process(ARES_SOCKET_BAD, fd); });
  }
  void process(ares_socket_t readable, ares_socket_t writable) {
    ares_process_fd(channel_, readable, writable);
    set_timer();
  }
  void set_timer() {
    timer_.cancel();
    timeval room{};
    const timeval* due = ares_timeout(channel_, nullptr, &room);
    if (due == nullptr) return;
    timer_ = loop_.call_later(std::chrono::seconds(due->tv_sec) + std::chrono::microseconds(due->tv_usec),
                              [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); });
  }

  coir::EventLoop& loop_ = coir::get_running_loop();
  coir::TimerHandle timer_;
  ares_channel channel_ = nullptr;
};
