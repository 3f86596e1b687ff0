// SPDX-License-Identifier: MIT
#include "raw_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <stdexcept>

#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

/// A listening socket on a free port of 127.0.0.1.
int listen_somewhere(int& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, generic, length) != 0 || ::getsockname(fd, generic, &length) != 0 ||
      ::listen(fd, 512) != 0) {
    throw std::runtime_error("no socket");
  }
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

int closed_port() {
  int port = 0;
  ::close(listen_somewhere(port));
  return port;
}

void RawServer::Exchange::send(const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size() && !gone_;) {
    const ssize_t count = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) {
      gone_ = true;
    } else {
      sent += static_cast<std::size_t>(count);
    }
  }
}

void RawServer::Exchange::answer(const std::string& status, const std::string& headers, const std::string& body) {
  send("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" +
       headers + "\r\n" + (method == "HEAD" ? "" : body));
}

void RawServer::Exchange::page(const std::string& body) { answer("200 OK", "Content-Type: text/html\r\n", html(body)); }

void RawServer::Exchange::stall() {
  // Ends when the client closes, or when the destructor shuts the socket down.
  std::array<char, 512> ignored{};
  while (::recv(fd_, ignored.data(), ignored.size(), 0) > 0) {
  }
  gone_ = true;
}

RawServer::RawServer() {
  int port = 0;
  listener_ = listen_somewhere(port);
  origin_ = numbered("http://127.0.0.1:", port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

RawServer::~RawServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  ::close(listener_);
}

void RawServer::accept_loop() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      ::close(fd);
      return;
    }
    open_.insert(fd);
    connections_.emplace_back([this, fd] { serve(fd); });
  }
}

void RawServer::serve(int fd) {
  std::string head;
  std::array<char, 4096> buffer{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    head.append(buffer.data(), static_cast<std::size_t>(count));
  }
  Exchange exchange;
  exchange.fd_ = fd;
  std::istringstream(head) >> exchange.method >> exchange.path;
  if (!exchange.path.empty()) {
    {
      const std::lock_guard lock(mutex_);
      ++total_;
      ++counts_[exchange.method + " " + exchange.path];
    }
    arrived_.notify_all();
    const auto found = std::find_if(handlers_.begin(), handlers_.end(), [&](const auto& entry) {
      const std::string& pattern = entry.first;
      return pattern == exchange.path ||
             (pattern.ends_with('*') && exchange.path.starts_with(pattern.substr(0, pattern.size() - 1)));
    });
    if (found != handlers_.end()) {
      found->second(exchange);
    } else {
      exchange.answer("404 Not Found", "", "nothing here\n");
    }
  }
  const std::lock_guard lock(mutex_);
  open_.erase(fd);
  ::shutdown(fd, SHUT_WR);
  ::close(fd);
}

std::size_t RawServer::requests() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

std::size_t RawServer::requests(const std::string& method_and_path) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(method_and_path);
  return found == counts_.end() ? 0 : found->second;
}

bool RawServer::wait_for_requests(std::size_t count) {
  std::unique_lock lock(mutex_);
  return arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return total_ >= count; });
}

}  // namespace linkcheck_test
