// SPDX-License-Identifier: MIT
// Loops by number: of other threads, and as guests of a C program's own loop.
#include <coir/coir.h>

#include <algorithm>
#include <mutex>

#include <coir/host.hpp>
#include <coir/run.hpp>

#include "c_loop.hpp"

namespace coir::detail {
namespace {

class CHost final : public Host {
 public:
  void hold(bool wanted) noexcept override {
    if (hold_fn != nullptr) hold_fn(data, wanted ? 1 : 0);
  }
  void (*hold_fn)(void* data, int wanted) = nullptr;
  void* data = nullptr;
};

struct CGuest {
  CHost host;
  EventLoop loop;
};

struct Known {
  std::shared_ptr<Inbox> inbox;
  std::shared_ptr<CGuest> guest;  // null: not made by coir_loop_new()
};

/// Every loop that C has asked for and that is not closed. Lives for ever: other threads may call until the very end.
struct KnownLoops {
  std::mutex mutex;
  std::unordered_map<coir_loop, Known> loops;
  coir_loop next = 1;
};
KnownLoops& known_loops() {
  static KnownLoops& it = *new KnownLoops;
  return it;
}

coir_loop enter(LoopCore& core) {
  KnownLoops& known = known_loops();
  const std::scoped_lock lock(known.mutex);
  known.loops[known.next] = {core.inbox, nullptr};
  return known.next++;
}

template <class T>
T known_loop(coir_loop id, T Known::*part, const char* call) {
  KnownLoops& known = known_loops();
  const std::scoped_lock lock(known.mutex);
  if (const auto found = known.loops.find(id); found != known.loops.end()) return found->second.*part;
  if (id == 0 || id >= known.next) {
    throw CError(COIR_EINVAL, std::string(call) + ": " + std::to_string(id) +
                                  " is no loop. Ask for one with coir_get_running_loop() or coir_loop_new().");
  }
  throw CError(COIR_ECLOSED, std::string(call) + ": the event loop is closed. Nothing runs there any more.");
}

std::shared_ptr<CGuest> known_guest(coir_loop id, const char* call) {
  if (auto guest = known_loop(id, &Known::guest, call)) return guest;
  throw CError(COIR_EUSAGE,
               std::string(call) + ": this loop was not made by coir_loop_new(): whoever runs it owns it.");
}

}  // namespace

CLoop::CLoop(LoopCore& core) : id(enter(core)) {}

CLoop::~CLoop() {
  Known last;  // destroyed without the lock
  KnownLoops& known = known_loops();
  const std::scoped_lock lock(known.mutex);
  const auto found = known.loops.find(id);
  last = std::move(found->second);
  known.loops.erase(found);
}

CLoop& CLoop::of(LoopCore& core) {
  if (core.c_side == nullptr) core.c_side = std::make_shared<CLoop>(core);
  return *core.c_side;
}

}  // namespace coir::detail

using namespace coir::detail;

extern "C" {

int coir_run_at(coir_fn fn, void* data, int* result, const char* file, unsigned line) {
  return answer_c([&] {
    require_c_function(fn != nullptr, "coir_run()");
    if (running_loop != nullptr && running_task() == nullptr) {
      throw CError(COIR_EUSAGE, "coir_run() inside " + running_loop->describe_running_callback() +
                                    ": a loop runs on this thread already. Start a task in it: "
                                    "coir_spawn(fn, data, NULL).");
    }
    int got = 0;
    try {
      got = coir::run([&] { return call_c_body(fn, data); }, {}, {file, line});
    } catch (const coir::CancelledError&) {
      got = COIR_ECANCELED;
    }
    if (result != nullptr) *result = got;
    return int{COIR_OK};
  });
}

coir_loop coir_get_running_loop(void) {
  coir_loop id = 0;
  answer_c([&] {
    if (running_loop != nullptr) id = CLoop::of(*running_loop).id;
    return int{COIR_OK};
  });
  return id;
}

int coir_call_soon_threadsafe(coir_loop loop, coir_callback fn, void* data) {
  return answer_c([&] {
    constexpr const char* call = "coir_call_soon_threadsafe()";
    require_c_function(fn != nullptr, call);
    // Not the loop: this thread must not be the last to hold it.
    const std::shared_ptr<Inbox> inbox = known_loop(loop, &Known::inbox, call);
    HandleNode* const node = make_callback([fn, data] { fn(data); }, coir::SourceLocation());
    node->shared = true;
    node->name = "coir_call_soon_threadsafe";
    node->queued = true;
    copy_current_context(node->context);
    if (inbox->push(*node)) return int{COIR_OK};
    node->release();
    throw CError(COIR_ECLOSED, std::string(call) + ": the event loop is closed. Nothing runs there any more.");
  });
}

int coir_loop_new(coir_loop* loop) {
  return answer_c([&] {
    if (loop == nullptr) throw CError(COIR_EINVAL, "coir_loop_new(): there is no place for the loop.");
    auto guest = std::make_shared<CGuest>();
    const coir_loop id = CLoop::of(guest->loop.core()).id;
    KnownLoops& known = known_loops();
    const std::scoped_lock lock(known.mutex);
    known.loops[id].guest = std::move(guest);
    *loop = id;
    return int{COIR_OK};
  });
}

int coir_loop_attach(coir_loop loop, void (*hold)(void* data, int wanted), void* data) {
  return answer_c([&] {
    const auto guest = known_guest(loop, "coir_loop_attach()");
    if (!guest->loop.core().attached()) {
      guest->host.hold_fn = hold;
      guest->host.data = data;
    }
    guest->loop.attach(guest->host);
    return int{COIR_OK};
  });
}

int coir_loop_backend_fd(coir_loop loop) {
  return answer_c([&] { return known_guest(loop, "coir_loop_backend_fd()")->loop.backend_fd(); });
}

int coir_loop_next_timeout(coir_loop loop, double* seconds) {
  return answer_c([&] {
    const auto guest = known_guest(loop, "coir_loop_next_timeout()");
    const coir::TimePoint deadline = guest->loop.next_deadline();
    double left = 0;
    if (deadline == coir::TimePoint::max()) {
      left = COIR_FOREVER;
    } else if (deadline != coir::TimePoint::min()) {
      left = std::max(0.0, std::chrono::duration<double>(deadline - guest->loop.time()).count());
    }
    if (seconds != nullptr) *seconds = left;
    return int{COIR_OK};
  });
}

int coir_loop_pump(coir_loop loop) {
  return answer_c([&] { return static_cast<int>(known_guest(loop, "coir_loop_pump()")->loop.pump().ran); });
}

int coir_loop_detach(coir_loop loop, double limit) {
  return answer_c([&] {
    const auto guest = known_guest(loop, "coir_loop_detach()");
    // Half of the range: a deadline that far away can still be computed.
    guest->loop.detach(std::min(to_timeout(limit), coir::Duration::max() / 2));
    return int{COIR_OK};
  });
}

int coir_loop_free(coir_loop loop) {
  return answer_c([&] {
    const auto guest = known_guest(loop, "coir_loop_free()");
    if (guest->loop.core().attached()) guest->loop.detach();
    guest->loop.close();
    return int{COIR_OK};
  });
}

}  // extern "C"
