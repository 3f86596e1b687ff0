// SPDX-License-Identifier: MIT
// HTTP by libcurl's multi interface, without a thread: it says which sockets to watch, and when to call it again.
#pragma once

#include <coir/coir.hpp>

#include <curl/curl.h>

#include <chrono>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

struct HttpError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// For any number of tasks; they share connections.
class Http {
 public:
  Http() : multi_(curl_multi_init()) {
    if (multi_ == nullptr) throw std::bad_alloc();
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Http::on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Http::on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }
  ~Http() {
    curl_multi_cleanup(multi_);
    timer_.cancel();
  }
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Suspends until the body is here. Errors: HttpError
  ///
  /// The body is on the task's stack although libcurl writes to it: a transfer that is taken out of the multi handle
  /// does not call back any more, so a cancelled wait may end at once.
  std::string get(const std::string& url) {
    const auto remove = [this](CURL* easy) {
      curl_multi_remove_handle(multi_, easy);
      curl_easy_cleanup(easy);
    };
    const std::unique_ptr<CURL, decltype(remove)> easy(curl_easy_init(), remove);
    if (easy == nullptr) throw std::bad_alloc();
    std::string body;
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_NOPROXY, "127.0.0.1");
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &Http::on_data);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
    const auto code = coir::from_callback<CURLcode>(
        [&](auto done) {
          const CURLMcode failure = curl_multi_add_handle(multi_, easy.get());
          if (failure != CURLM_OK) throw HttpError(curl_multi_strerror(failure));
          waiting_.insert_or_assign(easy.get(), std::move(done));
          return [&, transfer = easy.get()] {
            curl_multi_remove_handle(multi_, transfer);
            waiting_.erase(transfer);
            return coir::Cancel::stopped;
          };
        },
        {.name = "GET"});
    if (code != CURLE_OK) throw HttpError(curl_easy_strerror(code));
    return body;
  }

 private:
  static std::size_t on_data(char* data, std::size_t, std::size_t size, void* body) noexcept {
    static_cast<std::string*>(body)->append(data, size);  // libcurl is under us: no await here
    return size;
  }
  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
    static_cast<Http*>(self)->watch(fd, what);
    return 0;
  }
  static int on_timer(CURLM*, long ms, void* self) noexcept {
    Http& http = *static_cast<Http*>(self);
    http.timer_.cancel();
    if (ms < 0) return 0;
    http.timer_ = http.loop_.call_later(std::chrono::milliseconds(ms), [&http] { http.drive(CURL_SOCKET_TIMEOUT, 0); });
    return 0;
  }
  void watch(int fd, int what) {
    loop_.remove_reader(fd);
    loop_.remove_writer(fd);
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
      loop_.add_reader(fd, [this, fd] { drive(fd, CURL_CSELECT_IN); });
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
      loop_.add_writer(fd, [this, fd] { drive(fd, CURL_CSELECT_OUT); });
  }
  /// Lets libcurl work. Who waits goes on in a later turn, so libcurl is never called from inside of itself.
  void drive(int fd, int events) {
    int count = 0;
    curl_multi_socket_action(multi_, fd, events, &count);
    while (const CURLMsg* message = curl_multi_info_read(multi_, &count)) {
      if (const auto done = waiting_.extract(message->easy_handle)) done.mapped()(message->data.result);
    }
  }

  coir::EventLoop& loop_ = coir::get_running_loop();
  CURLM* const multi_;
  coir::TimerHandle timer_;
  std::map<CURL*, coir::Completion<CURLcode>> waiting_;
};
