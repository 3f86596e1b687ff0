// SPDX-License-Identifier: MIT
// Where a loop gets work from when nothing is ready: descriptors, timers, other threads. And what it does meanwhile:
// give memory back, notice that nothing can ever come.
#include <algorithm>

#include <coir/detail/recycler.hpp>
#include <coir/errors.hpp>

#include "bridge_lists.hpp"
#include "deadlock.hpp"
#include "loop_core.hpp"

namespace coir::detail {
namespace {

// Memory of finished tasks' stacks: kept for the largest number in use during this and the previous period.
constexpr auto memory_period = std::chrono::seconds(1);
constexpr std::size_t always_kept_fibers = 16;
// How long nothing must have happened before anybody asks whether anything ever can.
constexpr auto deadlock_grace = std::chrono::milliseconds(100);
constexpr std::size_t kept_bytes_per_fiber = std::size_t{16} << 10;
constexpr unsigned most_spins = 64;

void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();  // 10 to 40 ns
#endif
}

}  // namespace

void LoopCore::wait_for_work() {
  if (hooks == nullptr) [[likely]] return sleep(TimePoint::max());
  const TimePoint wanted = hooks->prepare(*this);
  const bool busy = !next.empty() || stopping != 0 || leaving != nullptr;
  sleep(busy ? TimePoint::min() : wanted);
  hooks->check(*this);
}

/// Until the next deadline, or `limit`.
void LoopCore::sleep(TimePoint limit) {
  if (!main_calls.empty()) return;  // of a run that was stopped
  std::optional<Duration> timeout;
  const TimePoint now = read_clock();
  std::optional<TimePoint> deadline = timers.next_deadline();
  if (limit != TimePoint::max()) deadline = std::max(now, std::min(limit, deadline.value_or(limit)));
  give_memory_back(now);
  waited_at = now;
  if (newest_bridge != nullptr) BridgeLists::stamp(*newest_bridge, now);
  if (clock.is_virtual()) {
    poller.wait(Duration::zero(), next);
    if (next.empty() && poller.prove_all(next)) poller.wait(Duration::zero(), next);
    if (!next.empty() || !inbox->empty()) return;  // time stands still while anything is ready
    if (job_count == 0) {
      if (deadline && clock.jump_to(*deadline)) return;
      if (stop_when_stalled && poller.active() == 0) {
        stalled = true;
        stopping |= stop_asked;
        return;
      }
    }
  } else {
    if (deadline) timeout = *deadline - now;
    timeout = limit_for_memory(timeout);
    if (may_wait_for_ever()) timeout = timeout ? std::min<Duration>(*timeout, deadlock_grace) : deadlock_grace;
  }
  if (spin_for_post()) return;
  if (!inbox->before_sleep()) return;
  const Poller::Outcome outcome = poller.wait(timeout, next);
  if (outcome.woken) inbox->drain_wake_fd();
  inbox->after_sleep();
  turns_since_poll_ = 0;
  handles_since_poll_ = 0;
  if (!next.empty() || !inbox->empty()) {
    examined_ = false;
  } else if (outcome.timed_out && may_wait_for_ever()) {
    examined_ = true;
    if (!is_only_thread()) return;
    leaving = std::make_exception_ptr(DeadlockError(describe_deadlock(*this)));
    update_host_only();
  }
}

/// In the middle of a burst the next post is nearer than the end of a sleep, which costs both threads a system call: about
/// 500 ns each (bench/race post_burst). So a loop that was posted to more than once between two looks waits a microsecond
/// before it sleeps, for half as long after each time in vain. One that is woken by single posts, or never, does not.
bool LoopCore::spin_for_post() noexcept {
  for (unsigned i = 0; i < spins_; ++i) {
    if (!inbox->empty()) return true;
    pause_briefly();
  }
  spins_ /= 2;
  return false;
}

/// Tasks are left, and nothing that this loop knows of can wake one. Another thread might: that is asked last.
bool LoopCore::may_wait_for_ever() const noexcept {
  return !examined_ && detect_deadlocks && task_count != 0 && timers.empty() && poller.active() == 0 &&
         job_count == 0 && signal_handlers == 0 && (hooks == nullptr || !hooks->any_prepare()) &&
         !clock.is_virtual();
}

void LoopCore::collect() {
  if (poll_due()) {
    if (hooks != nullptr) [[unlikely]] hooks->prepare(*this);
    poller.wait(Duration::zero(), next);
    if (hooks != nullptr) [[unlikely]] hooks->check(*this);
    turns_since_poll_ = 0;
    handles_since_poll_ = 0;
  } else {
    ++turns_since_poll_;
  }
  if (!inbox->empty()) {
    NodeQueue posted = inbox->take();
    if (posted.front()->next != nullptr) spins_ = most_spins;
    next.append(std::move(posted));
  }
  if (!timers.empty()) timers.take_due(read_clock(), next);
}

void LoopCore::give_memory_back(TimePoint now) noexcept {
  if (now - period_began_ < memory_period) return;
  period_began_ = now;
  recycler.trim();
  if (big_stacks) big_stacks->trim();
  if (pool.idle_count <= always_kept_fibers) return;
  const std::size_t most = std::max(peak_before_, pool.peak);
  peak_before_ = pool.peak;
  pool.peak = pool.leased;
  fibers.trim(std::max(always_kept_fibers, most - pool.leased), kept_bytes_per_fiber);
}

std::optional<Duration> LoopCore::limit_for_memory(std::optional<Duration> timeout) const noexcept {
  // Idle stacks are given back within two periods even if nothing happens any more, blocks within five; after that sleep
  // is unbounded.
  if (pool.idle_count <= always_kept_fibers && !recycler.has_excess()) return timeout;
  return timeout ? std::min<Duration>(*timeout, memory_period) : memory_period;
}

}  // namespace coir::detail
