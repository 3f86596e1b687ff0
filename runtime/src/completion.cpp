// SPDX-License-Identifier: MIT
#include <coir/completion.hpp>

#include <stdexcept>

#include <coir/errors.hpp>

namespace coir::detail {

std::exception_ptr failure_of(std::error_code code) { return std::make_exception_ptr(std::system_error(code)); }

std::exception_ptr failure_of(std::exception_ptr exception) {
  if (exception != nullptr) return exception;
  return std::make_exception_ptr(std::invalid_argument("fail(): the exception_ptr is null"));
}

void throw_empty_completion() {
  throw InvalidStateError(
      "this Completion, Emitter or Stream is empty: it was moved from, or c() or shared() has taken it over");
}

}  // namespace coir::detail
