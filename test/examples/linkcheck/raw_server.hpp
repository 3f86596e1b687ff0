// SPDX-License-Identifier: MIT
// A web server that does what it is told, however wrong.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace linkcheck_test {

/// Listens on 127.0.0.1. Each connection is one thread and gets one answer; then it is closed.
class RawServer {
 public:
  /// What a handler can do. All calls return at once, without effect, when the client or the server is gone.
  class Exchange {
   public:
    void send(const std::string& bytes);
    /// A whole answer; without the body if the request was HEAD.
    void answer(const std::string& status, const std::string& headers, const std::string& body);
    void page(const std::string& body);
    /// Does nothing until the server stops or the client gives up.
    void stall();
    bool gone() const { return gone_; }
    std::string method;
    std::string path;

   private:
    friend class RawServer;
    int fd_ = -1;
    bool gone_ = false;
  };
  using Handler = std::function<void(Exchange&)>;

  RawServer();
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  /// Before the first request. A path that ends in '*' stands for all that begin so. Without a handler: 404.
  void on(const std::string& path, Handler handler) { handlers_[path] = std::move(handler); }
  std::string url(const std::string& path = "/") const { return origin_ + path; }

  /// Requests so far, of all paths or of one ("GET /x").
  std::size_t requests() const;
  std::size_t requests(const std::string& method_and_path) const;
  /// Waits until there were that many; false after ten seconds.
  bool wait_for_requests(std::size_t count);

 private:
  void accept_loop();
  void serve(int fd);

  int listener_ = -1;
  std::string origin_;
  std::map<std::string, Handler> handlers_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::string, std::size_t> counts_;
  std::size_t total_ = 0;
  std::set<int> open_;
  std::vector<std::thread> connections_;
  bool stopping_ = false;
  std::thread acceptor_;
};

/// A port on 127.0.0.1 where nobody listens.
int closed_port();

}  // namespace linkcheck_test
