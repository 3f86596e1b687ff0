// SPDX-License-Identifier: MIT
// For tests of descriptors: pipes, sockets, a byte at a time.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "runtime_test.hpp"

namespace coir::test {

class DescriptorTest : public RuntimeTest {
 protected:
  static std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
    return ends;
  }
  static std::array<int, 2> make_sockets() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    return ends;
  }
  static void put(int fd) { EXPECT_EQ(::write(fd, "x", 1), 1); }
  static char take(int fd) {
    char byte = 0;
    return ::read(fd, &byte, 1) == 1 ? byte : '\0';
  }
};

}  // namespace coir::test
