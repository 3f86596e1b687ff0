// SPDX-License-Identifier: MIT
// libcurl: requests side by side, one that is given up in the middle of its body, and a server that goes away. The
// server is a task of this program.
#include "curl.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

/// Answers each request with its path; to "/slow" it sends a half of what it announces, and then nothing.
class HttpServer {
 public:
  HttpServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd_, any, size) != 0 || listen(fd_, 100) != 0 || getsockname(fd_, any, &size) != 0) {
      throw std::runtime_error("no TCP socket");
    }
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~HttpServer() { close(fd_); }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void serve() const {
    coir::task_group([&](coir::TaskGroup& connections) {
      for (;;) {
        coir::await_readable(fd_);
        const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) static_cast<void>(connections.create_task([fd] { answer(fd); }));
      }
    });
  }
  std::string url;

 private:
  static void answer(int fd) {
    const std::shared_ptr<void> closing(nullptr, [fd](void*) { close(fd); });
    for (std::array<char, 4096> buffer{};;) {
      coir::await_readable(fd);
      const auto size = read(fd, buffer.data(), buffer.size());
      if (size <= 0) return;
      const std::string_view request(buffer.data(), static_cast<std::size_t>(size));
      const std::string path(request.substr(4, request.find(' ', 4) - 4));
      const std::size_t announced = path == "/slow" ? 2 * path.size() : path.size();
      const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(announced) + "\r\n\r\n" + path;
      if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
    }
  }
  int fd_;
};

int main() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  coir::run([] {
    auto server = std::make_unique<HttpServer>();
    auto serving = coir::create_task([&] { server->serve(); });
    const std::string url = server->url;
    Http http;

    std::vector<coir::Task<std::string>> pages;
    for (int i = 0; i < 20; ++i) {
      pages.push_back(coir::create_task([&, i] { return http.get(url + "/page" + std::to_string(i)); }));
    }
    const auto bodies = coir::await(coir::gather(pages));
    std::printf("%zu pages, the last is %s\n", bodies.size(), bodies.back().c_str());

    try {
      coir::timeout(50ms, [&] { http.get(url + "/slow"); });
    } catch (const coir::TimeoutError&) {
      std::printf("timed out, %zu callbacks are still owed\n", coir::pending_bridges().size());
    }

    auto in_flight = coir::create_task([&] { http.get(url + "/slow"); });
    coir::sleep(50ms);
    serving.cancel();  // ends its connections, too
    coir::wait(std::vector{serving});
    server.reset();
    auto afterwards = coir::create_task([&] { http.get(url + "/page"); });
    for (const auto& task : {in_flight, afterwards}) {
      try {
        coir::await(task);
      } catch (const HttpError& error) {
        std::printf("killed: %s\n", error.what());
      }
    }
  });
  std::printf("%zu callbacks are still owed\n", coir::pending_bridges().size());
  curl_global_cleanup();
}
