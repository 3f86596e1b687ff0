// SPDX-License-Identifier: MIT
#include "site_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microhttpd.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace linkcheck {
namespace {

const char* content_type_of(std::string_view path) {
  constexpr std::array<std::pair<std::string_view, const char*>, 10> types{{
      {".html", "text/html; charset=utf-8"},
      {".htm", "text/html; charset=utf-8"},
      {".xhtml", "application/xhtml+xml; charset=utf-8"},
      {".css", "text/css"},
      {".js", "text/javascript"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".txt", "text/plain; charset=utf-8"},
      {".xml", "application/xml"},
      {".json", "application/json"},
  }};
  for (const auto& [suffix, type] : types) {
    if (path.ends_with(suffix)) return type;
  }
  return "application/octet-stream";
}

MHD_Result send(MHD_Connection* connection, unsigned status, MHD_Response* response) {
  if (response == nullptr) return MHD_NO;
  const MHD_Result sent = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return sent;
}

MHD_Result send_text(MHD_Connection* connection, unsigned status, std::string text) {
  return send(connection, status, MHD_create_response_from_buffer(text.size(), text.data(), MHD_RESPMEM_MUST_COPY));
}

/// The path has been percent-decoded. ".." in the middle of a name is harmless; as a whole segment it leads upwards.
bool leads_upwards(std::string_view path) {
  return path.find("/../") != std::string_view::npos || path.ends_with("/..") || !path.starts_with("/");
}

MHD_Result send_file(MHD_Connection* connection, const std::string& directory, const std::string& path) {
  if (leads_upwards(path)) return send_text(connection, MHD_HTTP_NOT_FOUND, "not found\n");
  std::string file = directory + path;
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (!path.ends_with('/')) {
      MHD_Response* response = MHD_create_response_from_buffer(0, nullptr, MHD_RESPMEM_PERSISTENT);
      if (response != nullptr) MHD_add_response_header(response, "Location", (path + "/").c_str());
      return send(connection, MHD_HTTP_MOVED_PERMANENTLY, response);
    }
    file += "index.html";
  }
  const int fd =
      ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // non-blocking: a FIFO must not hang the site
  if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    if (fd >= 0) ::close(fd);
    return send_text(connection, MHD_HTTP_NOT_FOUND, "not found\n");
  }
  MHD_Response* response = MHD_create_response_from_fd(static_cast<std::size_t>(status.st_size), fd);
  if (response == nullptr) {
    ::close(fd);
    return MHD_NO;
  }
  MHD_add_response_header(response, "Content-Type", content_type_of(file));
  return send(connection, MHD_HTTP_OK, response);
}

MHD_Result on_request(void* self, MHD_Connection* connection, const char* path, const char* method, const char*,
                      const char*, std::size_t*, void**) noexcept {
  try {
    const std::string_view verb(method);
    if (verb != "GET" && verb != "HEAD") return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
    return send_file(connection, static_cast<const SiteServer*>(self)->directory(), path);
  } catch (...) {
    return MHD_NO;  // closes this connection; nothing may cross libmicrohttpd's frames
  }
}

/// Blocks all signals while it lives, for the threads that start meanwhile: SIGINT belongs to the first thread.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

SiteServer::SiteServer(std::string directory) : directory_(std::move(directory)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const BlockSignals blocked;
  daemon_ = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &on_request, this,
                             MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
  if (daemon_ == nullptr) throw std::runtime_error("cannot start a web server on 127.0.0.1");
  const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT);
  origin_ = "http://127.0.0.1:" + std::to_string(info->port);
}

SiteServer::~SiteServer() { MHD_stop_daemon(daemon_); }

}  // namespace linkcheck
