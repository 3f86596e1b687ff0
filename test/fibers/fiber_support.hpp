// SPDX-License-Identifier: MIT
// What the tests of fibers/ share: bodies for bare fibers, and a look at the process's memory.
#pragma once

#include <coir/fibers/fiber.hpp>

#include <gtest/gtest.h>
#include <log_capture.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define COIR_TEST_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define COIR_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COIR_TEST_ASAN 1
#elif __has_feature(thread_sanitizer)
#define COIR_TEST_TSAN 1
#endif
#endif

namespace coir::test {

#if defined(COIR_TEST_ASAN)
inline constexpr bool under_asan = true;
#else
inline constexpr bool under_asan = false;
#endif
#if defined(COIR_TEST_TSAN)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif

/// A callable as the assignment of a bare fiber. Must outlive it; continues with the host at its end.
struct Body {
  Body(fibers::FiberPool& of, std::function<void()> run) : pool(of), fn(std::move(run)) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  static fibers::Fiber& entry(void* self) noexcept {
    auto& body = *static_cast<Body*>(self);
    body.fn();
    body.finished = true;
    return body.pool.host();
  }
  fibers::Fiber& acquire() { return pool.acquire(entry, this); }

  fibers::FiberPool& pool;
  std::function<void()> fn;
  bool finished = false;
};

inline constexpr std::size_t kib = 1024;

inline std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

/// Whether the kernel can read a byte there: asks without risking a signal.
inline bool readable(const void* address) {
  int ends[2];
  if (::pipe(ends) != 0) ADD_FAILURE() << "no pipe";
  // Not write(): the sanitizers' wrappers look at the buffer themselves.
  const long written = ::syscall(SYS_write, ends[1], address, 1);
  const int error = errno;
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_TRUE(written == 1 || error == EFAULT) << "write(2) failed for another reason: " << error;
  return written == 1;
}

inline bool guard_faults(const fibers::Stack& stack) {
  return !readable(stack.base) && !readable(stack.limit - 1);
}

/// Pages of [begin, end) that occupy memory.
inline std::size_t resident_pages(std::byte* begin, std::byte* end) {
  const auto bytes = static_cast<std::size_t>(end - begin);
  std::vector<unsigned char> pages(bytes / page_bytes());
  EXPECT_EQ(::mincore(begin, bytes, pages.data()), 0);
  std::size_t count = 0;
  for (const unsigned char page : pages) count += page & 1U;
  return count;
}

struct Mapping {
  std::uintptr_t begin;
  std::uintptr_t end;
};
/// The VMAs of this process.
inline std::vector<Mapping> mappings() {
  std::vector<Mapping> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Mapping m{};
    char dash = 0;
    fields >> std::hex >> m.begin >> dash >> m.end;
    all.push_back(m);
  }
  return all;
}
inline bool is_mapped(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (const Mapping& m : mappings()) {
    if (m.begin <= wanted && wanted < m.end) return true;
  }
  return false;
}

/// Whether this kernel has MADV_GUARD_INSTALL, asked without coir's help.
inline bool kernel_has_guard_markers() {
  void* page = ::mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool has = ::madvise(page, page_bytes(), 102) == 0 && !readable(page);
  ::munmap(page, page_bytes());
  return has;
}

}  // namespace coir::test
