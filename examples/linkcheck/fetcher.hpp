// SPDX-License-Identifier: MIT
// HTTP transfers for tasks: libcurl's multi-socket interface on a coir loop.
#pragma once

#include <coir/event_loop.hpp>
#include <coir/handle.hpp>

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "limiter.hpp"

namespace linkcheck {

/// There is no answer, or none that can be used. what() is the reason for the report, the same in every run.
class FetchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Request {
  std::string address;
  bool head = false;       ///< ask for the headers only
  bool keep_body = false;  ///< of an HTML answer with a status of success; any other body is dropped as it arrives
};

struct Response {
  long status = 0;
  bool html = false;
  bool utf8 = false;     ///< the Content-Type says so
  std::string location;  ///< absolute; where a redirect leads to, else empty
  std::string body;
  double milliseconds = 0;  ///< of the transfer; the wait for a slot is not counted

  bool ok() const { return status >= 200 && status < 300; }
};

struct FetcherOptions {
  unsigned concurrency = 32;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);
  std::size_t max_body_bytes = 16U << 20U;
};

/// Runs transfers on the running loop, at most `concurrency` at once.
///
/// libcurl says which descriptors and which deadline it waits for (on_socket, on_timer); the loop says when one of them
/// is due; drive() then lets libcurl work and completes the futures of the transfers that ended. Since 7.87 libcurl
/// refuses to be called from its own callbacks. Nothing here does: what they cause runs in a later turn of the loop.
///
/// Lifetime  Made and destroyed in a task, after its last transfer.
class Fetcher {
 public:
  explicit Fetcher(const FetcherOptions& options);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  /// Suspends  Until the answer is there. Redirects are reported, not followed.
  /// Errors    FetchError
  /// Cancel    CancelledError; the transfer is taken out of libcurl while it unwinds.
  Response fetch(const Request& request);
  unsigned concurrency() const { return options_.concurrency; }

 private:
  class Transfer;

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket_data) noexcept;
  static int on_timer(CURLM* multi, long timeout_ms, void* self) noexcept;
  void watch(int fd, int what);
  void set_timer(long timeout_ms);
  void drive(int fd, int events);
  void fail_all(const std::exception_ptr& failure);

  struct Watch {
    bool reader = false;
    bool writer = false;
  };

  FetcherOptions options_;
  coir::EventLoop& loop_;
  Limiter limiter_;
  CURLM* multi_;
  coir::TimerHandle timer_;
  std::unordered_map<int, Watch> watches_;
  std::unordered_map<CURL*, Transfer*> transfers_;  // under way
  std::exception_ptr callback_failure_;  // left by on_socket or on_timer for the code behind libcurl's frames
};

}  // namespace linkcheck
