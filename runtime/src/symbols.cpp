// SPDX-License-Identifier: MIT
#include "symbols.hpp"

#include <cxxabi.h>
#include <dlfcn.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace coir::detail {
namespace {

struct Free {
  void operator()(char* memory) const noexcept { std::free(memory); }
};

bool is_name_character(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/// Behind the bracket that closes the one at `begin`.
std::size_t end_of_group(std::string_view text, std::size_t begin) noexcept {
  int depth = 0;
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '(' || text[i] == '{' || text[i] == '[') ++depth;
    if ((text[i] == ')' || text[i] == '}' || text[i] == ']') && --depth == 0) return i + 1;
  }
  return text.size();
}

bool skip(std::string_view text, std::size_t& position, std::string_view what) noexcept {
  if (text.substr(position, what.size()) != what) return false;
  position += what.size();
  return true;
}

/// Without parameter lists and what follows them; lambdas all alike, whichever compiler named them.
std::string without_parameters(std::string_view text) {
  constexpr std::string_view lambda = "<lambda>";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text.substr(i).starts_with("{lambda(") || text.substr(i).starts_with("<lambda")) {
      out += lambda;
      if (text[i] == '{') {
        i = end_of_group(text, i);
      } else {
        while (i < text.size() && text[i] != '>') i = text[i] == '(' ? end_of_group(text, i) : i + 1;
        ++i;
      }
      if (skip(text, i, "::operator()") && text.substr(i).starts_with("(")) i = end_of_group(text, i);
      skip(text, i, " const");
    } else if (text.substr(i).starts_with("$_")) {  // Clang's
      i += 2;
      while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
      out += lambda;
      if (skip(text, i, "::operator()") && text.substr(i).starts_with("(")) i = end_of_group(text, i);
      skip(text, i, " const");
    } else if (text.substr(i).starts_with("operator()")) {
      out += "operator()";
      i += 10;
    } else if (text[i] == '(' && !text.substr(i).starts_with("(anonymous namespace)") && !out.empty() &&
               (is_name_character(out.back()) || out.back() == '>' || out.back() == ']' ||
                out.ends_with("operator()"))) {
      i = end_of_group(text, i);
      skip(text, i, " const");
    } else if (text[i] == '(') {
      const std::size_t end = end_of_group(text, i);
      out += text.substr(i, end - i);
      i = end;
    } else if (text.substr(i).starts_with(" [clone")) {
      break;
    } else {
      out += text[i++];
    }
  }
  return out;
}

/// Functions of templates are demangled with their return type in front.
std::string without_return_type(std::string text) {
  const std::size_t end = std::min(text.find("operator"), text.size());
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < end; ++i) {
    if (text[i] == '<' || text[i] == '(') ++depth;
    if (text[i] == '>' || text[i] == ')') --depth;
    if (text[i] == ' ' && depth == 0) begin = i + 1;
  }
  return text.substr(begin);
}

/// A template's arguments say what is called only if they are short.
std::string without_long_arguments(std::string_view text) {
  constexpr std::size_t long_text = 40;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '<' || out.ends_with("operator") || out.ends_with("operator<")) {
      out += text[i];
      continue;
    }
    std::size_t end = i;
    int depth = 0;
    while (end < text.size()) {
      if (text[end] == '<') ++depth;
      if (text[end++] == '>' && --depth == 0) break;
    }
    out += end - i > long_text ? "<...>" : text.substr(i, end - i);
    i = end - 1;
  }
  return out;
}

bool libdw_wanted() noexcept {
  const char* value = std::getenv("COIR_LIBDW");
  return value == nullptr || std::string_view(value) != "0";
}

}  // namespace

std::string demangle(const char* name) {
  int status = 0;
  const std::unique_ptr<char, Free> text(abi::__cxa_demangle(name, nullptr, nullptr, &status));
  return status == 0 ? text.get() : name;
}

std::string plain_name(const std::string& demangled) {
  std::string name = without_long_arguments(without_return_type(without_parameters(demangled)));
  // Clang marks functions that return a std::string: "read[abi:cxx11]".
  for (std::size_t tag; (tag = name.find("[abi:")) != std::string::npos;) {
    const std::size_t end = name.find(']', tag);
    if (end == std::string::npos) break;
    name.erase(tag, end + 1 - tag);
  }
  return name;
}

std::string offset_in_module(const void* address) {
  Dl_info info{};
  auto value = reinterpret_cast<std::uintptr_t>(address);
  std::string text;
  if (::dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
    const std::string_view path = info.dli_fname;
    text = path.substr(path.rfind('/') + 1);
    value -= reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  } else {
    text = "?";
  }
  char digits[2 * sizeof value];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return text + "+0x" + std::string(digits, end);
}

std::vector<StackFrame> symbolize(const void* address) {
#if COIR_WITH_LIBDW
  if (libdw_wanted()) {
    std::vector<StackFrame> frames = symbolize_by_libdw(address);
    if (!frames.empty()) return frames;
  }
#else
  static_cast<void>(libdw_wanted);
#endif
  Dl_info info{};
  const bool named = ::dladdr(address, &info) != 0 && info.dli_sname != nullptr;
  return {{address, named ? plain_name(demangle(info.dli_sname)) : offset_in_module(address), {}, 0}};
}

std::optional<bool> written_in_c(const void* address) {
#if COIR_WITH_LIBDW
  if (libdw_wanted()) {
    if (const auto known = written_in_c_by_libdw(address)) return known;
  }
#endif
  Dl_info info{};
  const bool named = ::dladdr(address, &info) != 0 && info.dli_sname != nullptr;
  return named && std::string_view(info.dli_sname).starts_with("_Z") ? std::optional(false) : std::nullopt;
}

}  // namespace coir::detail
