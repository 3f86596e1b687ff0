// SPDX-License-Identifier: MIT
#include "inbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace coir::detail {
namespace {

HandleNode* closed_mark() noexcept {
  static char mark;
  return reinterpret_cast<HandleNode*>(&mark);  // an address that no node has; never dereferenced
}

/// What this thread has posted last. A node on its way names the one that its thread posted so many before it: the loop
/// finds both in that CPU's cache, 50 to 250 ns away, and fetches the second while it waits for the first. A hint and no
/// more: where several threads post, that node may have run, and its memory be gone.
struct Recent {
  static constexpr std::size_t distance = 8;
  HandleNode* nodes[distance];
  std::size_t count;
  std::size_t taken;  // of them, before the inbox was last found empty: their memory may be about to be used by this thread
  HandleNode* hint() const noexcept { return count - taken >= distance ? nodes[count % distance] : nullptr; }
  void add(HandleNode& node) noexcept { nodes[count++ % distance] = &node; }
};
COIR_TLS Recent recent;

void fetch(const HandleNode* node) noexcept {
  const char* const bytes = reinterpret_cast<const char*>(node);
  for (std::size_t i = 0; i <= sizeof *node; i += 64) __builtin_prefetch(bytes + i, 1);
}

}  // namespace

Inbox::Inbox() : wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "an event loop needs an eventfd");
}

Inbox::~Inbox() { ::close(wake_fd_); }

bool Inbox::push(HandleNode& node) noexcept {
  HandleNode* head = head_.load(std::memory_order_relaxed);
  do {
    if (head == closed_mark()) return false;
    if (head == nullptr) recent.taken = recent.count;
    node.next = head;
    node.previous = recent.hint();
  } while (!head_.compare_exchange_weak(head, &node, std::memory_order_seq_cst, std::memory_order_relaxed));
  recent.add(node);
  // Sequentially consistent with before_sleep(): either the loop sees the node or this sees the loop asleep.
  if (sleeping_.load(std::memory_order_seq_cst) && sleeping_.exchange(false, std::memory_order_acq_rel)) {
    wake();
  }
  return true;
}

void Inbox::wake() noexcept {
  const int saved = errno;  // push() runs in signal handlers, too
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_fd_, &one, sizeof one));  // EAGAIN: readable already
  errno = saved;
}

NodeQueue Inbox::reversed(HandleNode* newest) noexcept {
  NodeQueue queue;
  HandleNode* const last = newest;
  HandleNode* oldest_first = nullptr;
  while (newest != nullptr) {
    HandleNode* older = newest->next;
    if (newest->previous != nullptr) fetch(newest->previous);
    newest->next = oldest_first;
    oldest_first = newest;
    newest = older;
  }
  queue.append(oldest_first, last);
  return queue;
}

NodeQueue Inbox::take() noexcept { return reversed(head_.exchange(nullptr, std::memory_order_acquire)); }

NodeQueue Inbox::close() noexcept {
  HandleNode* head = head_.exchange(closed_mark(), std::memory_order_acq_rel);
  return reversed(head == closed_mark() ? nullptr : head);
}

bool Inbox::before_sleep() noexcept {
  sleeping_.store(true, std::memory_order_seq_cst);
  if (head_.load(std::memory_order_seq_cst) == nullptr) return true;
  after_sleep();
  return false;
}

void Inbox::drain_wake_fd() noexcept {
  std::uint64_t count;
  static_cast<void>(!::read(wake_fd_, &count, sizeof count));
}

}  // namespace coir::detail
