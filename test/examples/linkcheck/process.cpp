// SPDX-License-Identifier: MIT
#include "process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <thread>

namespace linkcheck_test {
namespace {

using namespace std::chrono_literals;

int memory_file(const char* name) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw std::runtime_error("memfd_create");
  return fd;
}

std::string contents(int fd) {
  std::string text;
  std::array<char, 65536> buffer{};
  ::lseek(fd, 0, SEEK_SET);
  for (ssize_t count; (count = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

/// What a terminal that nobody holds open any more still has in its buffer.
std::string drain(int terminal) {
  ::fcntl(terminal, F_SETFL, O_NONBLOCK);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t count; (count = ::read(terminal, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

Process::Process(std::vector<std::string> arguments, Stderr err)
    : out_(memory_file("out")), begin_(std::chrono::steady_clock::now()) {
  if (err == Stderr::file) {
    err_ = memory_file("err");
  } else {
    terminal_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal_ < 0 || ::grantpt(terminal_) != 0 || ::unlockpt(terminal_) != 0) throw std::runtime_error("openpt");
    err_ = ::open(::ptsname(terminal_), O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  std::vector<char*> argv;
  std::string program = LINKCHECK_PROGRAM;
  argv.push_back(program.data());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error("fork");
  if (child_ == 0) {
    ::signal(SIGINT, SIG_DFL);  // a test runner in the background may have it ignored
    ::dup2(out_, STDOUT_FILENO);
    ::dup2(err_, STDERR_FILENO);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
}

Process::~Process() {
  if (child_ > 0) {
    send(SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  for (const int fd : {out_, err_, terminal_}) {
    if (fd >= 0) ::close(fd);
  }
}

void Process::send(int signal) const { ::kill(child_, signal); }

Result Process::wait(std::chrono::seconds limit) {
  int status = 0;
  rusage usage{};
  while (::wait4(child_, &status, WNOHANG, &usage) == 0) {
    if (std::chrono::steady_clock::now() - begin_ > limit) send(SIGKILL);
    std::this_thread::sleep_for(2ms);
  }
  child_ = -1;
  Result result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  result.peak_rss_mib = usage.ru_maxrss / 1024;
  result.out = contents(out_);
  result.err = terminal_ >= 0 ? drain(terminal_) : contents(err_);
  return result;
}

}  // namespace linkcheck_test
