// SPDX-License-Identifier: MIT
#include "fetcher.hpp"

#include <coir/await.hpp>
#include <coir/timeout.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace linkcheck {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

/// Runs fn() and keeps what it throws for the code behind libcurl's frames, which no exception may cross.
template <class Fn>
bool guarded(std::exception_ptr& failure, Fn&& fn) noexcept {
  try {
    fn();
    return true;
  } catch (...) {
    failure = std::current_exception();
    return false;
  }
}

/// libcurl's words for the usual failures are about its insides, or differ from run to run.
std::string reason_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT: return "cannot connect";
    case CURLE_COULDNT_RESOLVE_HOST: return "unknown host";
    case CURLE_GOT_NOTHING: return "the server closed the connection without an answer";
    case CURLE_PARTIAL_FILE: return "the server closed the connection before the end of the answer";
    default: return curl_easy_strerror(code);
  }
}

/// This machine, and what the environment says: without it a proxy would be asked for the site itself.
std::string no_proxy_list() {
  const char* environment = std::getenv("no_proxy");
  return std::string("localhost,127.0.0.1,::1") + (environment != nullptr ? std::string(",") + environment : "");
}

}  // namespace

/// One request under way: in libcurl's hands from start() to the destructor.
class Fetcher::Transfer {
 public:
  Transfer(Fetcher& owner, const Request& request) : owner_(owner), request_(request), easy_(curl_easy_init()) {
    if (!easy_) throw std::bad_alloc();
    CURL* easy = easy_.get();
    curl_easy_setopt(easy, CURLOPT_URL, request.address.c_str());
    curl_easy_setopt(easy, CURLOPT_NOBODY, request.head ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy_list().c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "linkcheck (coir example)");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  }
  ~Transfer() {
    if (!started_) return;
    // Also how a cancelled or timed out transfer ends: libcurl forgets it and closes its connection.
    owner_.transfers_.erase(easy_.get());
    curl_multi_remove_handle(owner_.multi_, easy_.get());
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Suspends until libcurl is done with it. Errors: FetchError
  Response run() {
    owner_.transfers_.emplace(easy_.get(), this);
    started_ = true;
    if (const CURLMcode code = curl_multi_add_handle(owner_.multi_, easy_.get()); code != CURLM_OK) {
      throw FetchError(curl_multi_strerror(code));
    }
    if (owner_.callback_failure_) std::rethrow_exception(std::exchange(owner_.callback_failure_, nullptr));
    const CURLcode code = coir::await(done_);
    if (failure_) std::rethrow_exception(failure_);
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && stopped_)) throw FetchError(reason_of(code));
    return take_response();
  }

  /// From the loop, never from libcurl's callbacks.
  void finish(CURLcode code) {
    if (!done_.done()) done_.set_result(code);
  }
  void fail(const std::exception_ptr& failure) {
    if (!done_.done()) done_.set_exception(failure);
  }

 private:
  struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };

  Response take_response() {
    CURL* easy = easy_.get();
    Response response;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &response.status);
    response.html = is_html();
    response.utf8 = content_type().find("utf-8") != std::string_view::npos ||
                    content_type().find("UTF-8") != std::string_view::npos;
    char* location = nullptr;
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &location);
    if (location != nullptr) response.location = location;
    curl_off_t microseconds = 0;
    curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    response.milliseconds = Milliseconds(std::chrono::microseconds(microseconds)).count();
    response.body = std::move(body_);
    return response;
  }

  std::string_view content_type() const {
    char* type = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
    return type != nullptr ? type : "";
  }
  bool is_html() const {
    return content_type().starts_with("text/html") || content_type().starts_with("application/xhtml+xml");
  }

  /// Keeps what is wanted; returning another number than `count` ends the transfer.
  static std::size_t on_data(char* data, std::size_t, std::size_t count, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    bool go_on = false;
    const bool kept = guarded(transfer.failure_, [&] { go_on = transfer.keep({data, count}); });
    return kept && go_on ? count : 0;
  }
  bool keep(std::string_view data) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    // Bodies of errors and redirects are short, and reading them to the end keeps the connection.
    if (status < 200 || status >= 300) {
      dropped_ += data.size();
      stopped_ = dropped_ > owner_.options_.max_body_bytes;
      return !stopped_;
    }
    if (!request_.keep_body || !is_html()) {
      stopped_ = true;
      return false;
    }
    if (body_.empty()) reserve_body();
    if (body_.size() + data.size() > owner_.options_.max_body_bytes) throw_too_large();
    body_.append(data);
    return true;
  }
  /// Looks at the announced length: a page that is too large ends here, before its first byte is kept.
  void reserve_body() {
    curl_off_t length = -1;
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length <= 0) return;
    const auto bytes = static_cast<std::size_t>(length);
    if (bytes > owner_.options_.max_body_bytes) throw_too_large();
    body_.reserve(bytes);
  }
  [[noreturn]] void throw_too_large() const {
    throw FetchError("larger than " + std::to_string(owner_.options_.max_body_bytes >> 20U) + " MiB");
  }

  Fetcher& owner_;
  const Request& request_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  coir::Future<CURLcode> done_ = coir::get_running_loop().create_future<CURLcode>();
  std::string body_;
  std::size_t dropped_ = 0;
  bool started_ = false;
  bool stopped_ = false;  // by keep(): the rest of the body is of no interest
  std::exception_ptr failure_;
};

Fetcher::Fetcher(const FetcherOptions& options)
    : options_(options), loop_(coir::get_running_loop()), limiter_(options.concurrency), multi_(curl_multi_init()) {
  if (multi_ == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Fetcher::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Fetcher::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options.concurrency));
}

Fetcher::~Fetcher() {
  curl_multi_cleanup(multi_);  // reports its last sockets through on_socket
  for (const auto& [fd, watched] : watches_) {
    if (watched.reader) loop_.remove_reader(fd);
    if (watched.writer) loop_.remove_writer(fd);
  }
  timer_.cancel();
}

Response Fetcher::fetch(const Request& request) {
  const Limiter::Slot slot(limiter_);
  try {
    return coir::timeout(options_.timeout, [&] { return Transfer(*this, request).run(); });
  } catch (const coir::TimeoutError&) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "no complete answer within %g s",
                  std::chrono::duration<double>(options_.timeout).count());
    throw FetchError(text.data());
  }
}

int Fetcher::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
  auto& fetcher = *static_cast<Fetcher*>(self);
  return guarded(fetcher.callback_failure_, [&] { fetcher.watch(fd, what); }) ? 0 : -1;
}

int Fetcher::on_timer(CURLM*, long timeout_ms, void* self) noexcept {
  auto& fetcher = *static_cast<Fetcher*>(self);
  return guarded(fetcher.callback_failure_, [&] { fetcher.set_timer(timeout_ms); }) ? 0 : -1;
}

void Fetcher::watch(int fd, int what) {
  const bool reader = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
  const bool writer = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
  Watch& watched = watches_[fd];
  if (reader != watched.reader) {
    if (reader) {
      loop_.add_reader(
          fd, [this, fd] { drive(fd, CURL_CSELECT_IN); }, "curl reads");
    } else {
      loop_.remove_reader(fd);
    }
    watched.reader = reader;
  }
  if (writer != watched.writer) {
    if (writer) {
      loop_.add_writer(
          fd, [this, fd] { drive(fd, CURL_CSELECT_OUT); }, "curl writes");
    } else {
      loop_.remove_writer(fd);
    }
    watched.writer = writer;
  }
  if (!reader && !writer) watches_.erase(fd);
}

void Fetcher::set_timer(long timeout_ms) {
  timer_.cancel();
  if (timeout_ms < 0) return;
  timer_ = loop_.call_later(
      std::chrono::milliseconds(timeout_ms), [this] { drive(CURL_SOCKET_TIMEOUT, 0); }, "curl timer");
}

void Fetcher::drive(int fd, int events) {
  int running = 0;
  const CURLMcode code = curl_multi_socket_action(multi_, fd, events, &running);
  if (callback_failure_) return fail_all(std::exchange(callback_failure_, nullptr));
  if (code != CURLM_OK) return fail_all(std::make_exception_ptr(FetchError(curl_multi_strerror(code))));
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    const auto transfer = transfers_.find(message->easy_handle);
    if (message->msg == CURLMSG_DONE && transfer != transfers_.end()) transfer->second->finish(message->data.result);
  }
}

void Fetcher::fail_all(const std::exception_ptr& failure) {
  for (const auto& [easy, transfer] : transfers_) transfer->fail(failure);
}

}  // namespace linkcheck
