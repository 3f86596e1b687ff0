// SPDX-License-Identifier: MIT
#include <coir/errors.hpp>

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>

#include <coir/source_location.hpp>

namespace coir {

BaseException::~BaseException() = default;
CancelledError::~CancelledError() = default;
KeyboardInterrupt::~KeyboardInterrupt() = default;
SystemExit::~SystemExit() = default;
TimeoutError::~TimeoutError() = default;
InvalidStateError::~InvalidStateError() = default;
UsageError::~UsageError() = default;
BrokenBarrierError::~BrokenBarrierError() = default;
DeadlockError::~DeadlockError() = default;
QueueEmpty::~QueueEmpty() = default;
QueueFull::~QueueFull() = default;
QueueShutDown::~QueueShutDown() = default;
BrokenCallback::~BrokenCallback() = default;
StreamOverflow::~StreamOverflow() = default;
ExceptionGroup::~ExceptionGroup() = default;

ExceptionGroup::ExceptionGroup(const std::string& message, std::vector<std::exception_ptr> exceptions)
    : what_(message + " (" + std::to_string(exceptions.size()) +
            (exceptions.size() == 1 ? " sub-exception)" : " sub-exceptions)")),
      exceptions_(std::move(exceptions)) {}

std::string describe(const std::exception_ptr& exception) {
  if (exception == nullptr) return "no exception";
  std::string text;
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    text = error.what();
  } catch (const BaseException& error) {
    text = error.message();
  } catch (...) {
  }
  const std::type_info* type = nullptr;
  try {
    std::rethrow_exception(exception);
  } catch (...) {
    type = abi::__cxa_current_exception_type();
  }
  if (type == nullptr) return text.empty() ? "an exception of another language" : text;
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                    std::free);
  const std::string type_name = name ? name.get() : type->name();
  return text.empty() ? type_name : type_name + ": " + text;
}

std::string to_string(const SourceLocation& location) {
  if (location.file == nullptr) return "unknown place";
  std::string file = location.file;
  if (const auto slash = file.rfind('/'); slash != std::string::npos) file.erase(0, slash + 1);
  return file + ":" + std::to_string(location.line);
}

}  // namespace coir
