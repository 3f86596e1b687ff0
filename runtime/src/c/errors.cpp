// SPDX-License-Identifier: MIT
// Exceptions become codes, and codes become words.
#include <coir/coir.h>

#include <string.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <system_error>

#include <coir/context.hpp>
#include <coir/errors.hpp>
#include <coir/version.hpp>

#include "c_loop.hpp"

namespace coir::detail {

CError::~CError() = default;

namespace {

/// A context is inherited, and a message is not to be: `task` says whose it is, 0 outside of tasks.
struct LastError {
  std::uint64_t task;
  std::string text;
};

const ContextVar<std::shared_ptr<const LastError>>& last_error() {
  static const auto& it = *new ContextVar<std::shared_ptr<const LastError>>("coir_last_error", nullptr);
  return it;
}

std::uint64_t running_task_id() noexcept {
  const TaskState* task = running_task();
  return task != nullptr ? task->id() : 0;
}

int remember(int code, const std::string& text) noexcept {
  try {
    last_error().set(std::make_shared<const LastError>(LastError{running_task_id(), text}));
  } catch (...) {  // out of memory: the code has to do
  }
  return code;
}

int code_of(const UsageError& error) noexcept {
  switch (error.reason()) {
    case UsageError::Reason::loop_is_closed: return COIR_ECLOSED;
    case UsageError::Reason::fd_in_use: return COIR_EBUSY;
    default: return COIR_EUSAGE;
  }
}

}  // namespace

int code_of_current_exception() noexcept {
  try {
    throw;
  } catch (const CError& error) {
    return remember(error.code(), error.what());
  } catch (const CancelledError& error) {
    return remember(COIR_ECANCELED, error.message().empty() ? "cancelled" : "cancelled: " + error.message());
  } catch (const KeyboardInterrupt& error) {
    return remember(COIR_EINTR, error.message());
  } catch (const TimeoutError& error) {
    return remember(COIR_ETIMEDOUT, error.what());
  } catch (const UsageError& error) {
    return remember(code_of(error), error.what());
  } catch (const DeadlockError& error) {
    return remember(COIR_EDEADLK, error.what());
  } catch (const std::system_error& error) {
    const bool is_errno = error.code().category() == std::generic_category() ||
                          error.code().category() == std::system_category();
    return remember(is_errno && error.code().value() > 0 ? -error.code().value() : COIR_EFAILED, error.what());
  } catch (const std::bad_alloc&) {
    return remember(COIR_ENOMEM, "out of memory");
  } catch (const std::invalid_argument& error) {
    return remember(COIR_EINVAL, error.what());
  } catch (...) {
    try {
      return remember(COIR_EFAILED, coir::describe(std::current_exception()));
    } catch (...) {
      return COIR_EFAILED;
    }
  }
}

void require_c_function(bool given, const char* call) {
  if (!given) throw CError(COIR_EINVAL, std::string(call) + ": the function is NULL.");
}

LoopCore& require_c_loop(const char* call) {
  if (running_loop != nullptr) return *running_loop;
  throw CError(COIR_EUSAGE,
               std::string(call) + ": no event loop runs on this thread. Call coir_run(fn, data, &result) and do this "
                                   "inside fn, or hand it to the loop of another thread with "
                                   "coir_call_soon_threadsafe(loop, fn, data).");
}

TaskState& require_c_task(const char* call) {
  if (current_task != nullptr) return *current_task;
  const LoopCore& core = require_c_loop(call);
  if (running_task() != nullptr) return require_task(call);  // a NoAwait scope, and its reason
  throw CError(COIR_EUSAGE, std::string(call) + " inside " + core.describe_running_callback() +
                                ": it runs on the loop's own stack, which cannot be suspended. Start a task for it: "
                                "coir_spawn(fn, data, NULL).");
}

int call_c_body(coir_fn fn, void* data) {
  const int result = fn(data);
  if (result == COIR_ECANCELED) throw CancelledError();
  return result;
}

}  // namespace coir::detail

extern "C" {

const char* coir_strerror(int code) {
  switch (code) {
    case COIR_OK: return "success";
    case COIR_ECANCELED: return "COIR_ECANCELED: the task was cancelled";
    case COIR_ETIMEDOUT: return "COIR_ETIMEDOUT: the timeout came first";
    case COIR_EINVAL: return "COIR_EINVAL: an argument is not valid";
    case COIR_ENOMEM: return "COIR_ENOMEM: out of memory";
    case COIR_EBUSY: return "COIR_EBUSY: another task waits for the same thing";
    case COIR_EALREADY: return "COIR_EALREADY: it has been completed before";
    case COIR_ESTALE: return "COIR_ESTALE: the handle has been used up, or is of another loop";
    case COIR_EINTR: return "COIR_EINTR: interrupted by SIGINT";
    case COIR_EDEADLK: return "COIR_EDEADLK: every task waits, and nothing can wake any";
    case COIR_EUSAGE: return "COIR_EUSAGE: this call cannot work here: see coir_last_error()";
    case COIR_ECLOSED: return "COIR_ECLOSED: the event loop is closed";
    case COIR_EFAILED: return "COIR_EFAILED: a function threw an exception: see coir_last_error()";
    default: break;
  }
  const char* const text = code < 0 ? ::strerrordesc_np(-code) : nullptr;
  return text != nullptr ? text : "unknown error";
}

const char* coir_last_error(void) {
  try {
    const auto last = coir::detail::last_error().get();
    if (last != nullptr && last->task == coir::detail::running_task_id()) return last->text.c_str();
  } catch (...) {  // out of memory
  }
  return "";
}

const char* coir_version(void) { return COIR_VERSION; }

}  // extern "C"
