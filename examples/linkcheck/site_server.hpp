// SPDX-License-Identifier: MIT
// A folder as a web site.
#pragma once

#include <string>

struct MHD_Daemon;

namespace linkcheck {

/// Serves the files of a directory on 127.0.0.1, at a port the system chooses, from a thread of libmicrohttpd.
///
/// A folder answers with its index.html. Symbolic links are followed, out of the directory too: Debian's documentation
/// shares scripts that way. Nothing above the directory can be asked for.
/// Lifetime  The destructor stops the thread and closes every connection.
class SiteServer {
 public:
  /// Errors: std::runtime_error if no server can be started.
  explicit SiteServer(std::string directory);
  ~SiteServer();
  SiteServer(const SiteServer&) = delete;
  SiteServer& operator=(const SiteServer&) = delete;

  /// "http://127.0.0.1:40123"
  const std::string& origin() const { return origin_; }
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  std::string origin_;
  MHD_Daemon* daemon_;
};

}  // namespace linkcheck
