// SPDX-License-Identifier: MIT
// What the examples of this folder need around them: a real server on loopback, for as long as the program runs.
#pragma once

#include <coir/coir.hpp>

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace clients {

/// Ends the program as one that could not show anything, and says why.
[[noreturn]] inline void skip(const std::string& why) {
  std::printf("skipped: %s\n", why.c_str());
  std::fflush(stdout);
  std::_Exit(77);
}

/// The last of the files that match; empty if none does.
inline std::string find_file(const std::string& pattern) {
  glob_t found{};
  std::string path;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) path = found.gl_pathv[found.gl_pathc - 1];
  globfree(&found);
  return path;
}

inline std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// The first of the patterns that any file matches; without one the program is skipped.
inline std::string find_program(const std::vector<std::string>& patterns, const std::string& package) {
  for (const std::string& pattern : patterns) {
    if (const std::string path = find_file(pattern); !path.empty()) return path;
  }
  skip(patterns.front() + " is not there (Debian: " + package + ")");
}

/// Who a server runs as: ourselves, or, if we are root and it refuses that, the first of these users that exists.
inline const passwd* unprivileged(const std::vector<const char*>& names) {
  if (geteuid() != 0) return nullptr;
  for (const char* name : names) {
    if (const passwd* user = getpwnam(name)) return user;
  }
  skip("the server does not run as root, and there is no other user for it");
}

/// A folder of its own, gone with the object.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const passwd* owner = nullptr) {
    std::string path = (std::filesystem::temp_directory_path() / "coir-client-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder: " + path);
    path_ = path;
    if (owner != nullptr && chown(path.c_str(), owner->pw_uid, owner->pw_gid) != 0) skip("cannot give a folder away");
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A process in a group of its own; what it prints goes to the folder's `log`. It ends with this object, and with this
/// program, however that ends.
class Server {
 public:
  Server(const TemporaryFolder& folder, const std::vector<std::string>& command, const passwd* user = nullptr)
      : log_(folder / "log") {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    child_ = fork();
    if (child_ < 0) throw std::runtime_error("fork failed");
    if (child_ > 0) return;
    setpgid(0, 0);
    const int out = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (user != nullptr && (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
      _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir(folder.path().c_str()) != 0) _exit(126);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ~Server() { stop(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Sends the signal and waits for the end; a server that takes more than 5 s is killed.
  void stop(int signal = SIGKILL) {
    if (child_ <= 0) return;
    kill(child_, signal);
    for (int i = 0; i < 500 && !has_ended(); ++i) usleep(10'000);
    kill(-child_, SIGKILL);
    waitpid(std::exchange(child_, -1), nullptr, 0);
  }

  /// For programs that end by themselves: waits for that. True: with status 0.
  bool succeeds() {
    wait_until([this] { return has_ended(); });
    int status = -1;
    waitpid(std::exchange(child_, -1), &status, 0);
    return status == 0;
  }

  /// Awaits ready(), for half a minute at the most.
  template <class Fn>
  void wait_until(Fn ready) {
    for (int i = 0; !ready(); ++i) {
      if (i == 3000) throw std::runtime_error("the server does not get ready:\n" + log());
      coir::sleep(std::chrono::milliseconds(10));
    }
  }
  std::string log() const { return read_file(log_); }

 private:
  bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == child_;
  }
  std::string log_;
  pid_t child_ = -1;
};

/// Prints what is left behind, by name: callbacks that are still owed, and descriptors that were not open before.
class Leftovers {
 public:
  Leftovers() : descriptors_(open_descriptors()) {}
  ~Leftovers() {
    for (const coir::PendingBridge& bridge : coir::pending_bridges()) std::cout << to_string(bridge) << "\n";
    const long more = open_descriptors() - descriptors_;
    if (more != 0) std::cout << more << " descriptors are still open\n";
    if (more == 0 && coir::bridge_stats().abandoned == 0) std::cout << "nothing left behind\n";
  }
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

 private:
  static long open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  }
  long descriptors_;
};

}  // namespace clients
