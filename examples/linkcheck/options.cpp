// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

namespace linkcheck {
namespace {

namespace fs = std::filesystem;

constexpr const char* default_directory = "/usr/share/doc/python3.11/html";

/// `text` as a number within [low, high]; `what` names the option in the message.
template <class Number>
Number parse_number(std::string_view what, std::string_view text, Number low, Number high, const char* range) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  // Written so that NaN, which from_chars accepts, fails it.
  if (!whole || !(value >= low && value <= high)) {
    throw MisuseError(std::string(what) + " needs a number " + range + ", not '" + std::string(text) + "'");
  }
  return value;
}

/// Walks over argv; an option's value is its own argument or follows '='.
class Arguments {
 public:
  Arguments(int argc, const char* const* argv) : argc_(argc), argv_(argv) {}

  bool next() {
    if (++index_ >= argc_) return false;
    current_ = argv_[index_];
    inline_value_ = nullptr;
    if (current_.starts_with("--")) {
      if (const auto equals = current_.find('='); equals != std::string_view::npos) {
        inline_value_ = argv_[index_] + equals + 1;
        current_ = current_.substr(0, equals);
      }
    }
    return true;
  }
  std::string_view name() const { return current_; }
  std::string_view value() {
    if (inline_value_ != nullptr) return inline_value_;
    if (index_ + 1 >= argc_) throw MisuseError(std::string(current_) + " needs a value");
    return argv_[++index_];
  }
  void require_no_value() const {
    if (inline_value_ != nullptr) throw MisuseError(std::string(current_) + " takes no value");
  }
  /// The argument as it was given, for positional ones.
  std::string_view whole() const { return argv_[index_]; }

 private:
  int argc_;
  const char* const* argv_;
  int index_ = 0;
  std::string_view current_;
  const char* inline_value_ = nullptr;  // behind '=', null if there is none
};

bool is_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

void set_site(Options& options, const std::string& site, bool is_default) {
  if (is_url(site)) {
    options.url = site;
    return;
  }
  std::error_code error;
  const fs::file_status status = fs::status(site, error);
  if (status.type() == fs::file_type::not_found) {
    throw MisuseError("no such directory: " + site +
                      (is_default ? " (the default; Debian has it in python3.11-doc)" : ""));
  }
  if (error) throw MisuseError("cannot read " + site + ": " + error.message());
  if (!fs::is_directory(status)) throw MisuseError("not a directory: " + site);
  options.directory = site;
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  using Seconds = std::chrono::duration<double>;
  Options options;
  options.timeout = std::chrono::seconds(10);
  std::optional<std::string> site;
  bool only_positional = false;
  Arguments arguments(argc, argv);
  while (arguments.next()) {
    const std::string_view name = arguments.name();
    if (!only_positional && name == "--") {
      only_positional = true;
    } else if (!only_positional && (name == "--help" || name == "-h")) {
      arguments.require_no_value();
      options.help = true;
      return options;
    } else if (!only_positional && name == "--external") {
      arguments.require_no_value();
      options.external = true;
    } else if (!only_positional && name == "--concurrency") {
      options.concurrency = parse_number<unsigned>(name, arguments.value(), 1, 1000, "from 1 to 1000");
    } else if (!only_positional && name == "--timeout") {
      const auto seconds =
          parse_number<double>(name, arguments.value(), 0.001, 86400, "of seconds from 0.001 to 86400");
      options.timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(seconds));
    } else if (!only_positional && name == "--max-page") {
      const auto mib = parse_number<unsigned>(name, arguments.value(), 1, 1024, "of MiB from 1 to 1024");
      options.max_page_bytes = std::size_t{mib} << 20U;
    } else if (!only_positional && name == "--json") {
      options.json_file = arguments.value();
      if (options.json_file.empty()) throw MisuseError("--json needs a file name");
    } else if (!only_positional && name.size() > 1 && name.starts_with('-')) {
      throw MisuseError("unknown option " + std::string(name));
    } else {
      if (site)
        throw MisuseError("one directory or URL at a time, not '" + *site + "' and '" + std::string(arguments.whole()) +
                          "'");
      site = arguments.whole();
    }
  }
  set_site(options, site.value_or(default_directory), !site);
  return options;
}

std::string help_text() {
  return std::string(
             "usage: linkcheck [options] [DIR|URL]\n"
             "\n"
             "Checks every link and anchor of a documentation site. A directory is served on a loopback port and all "
             "its\n"
             "HTML files are checked; from a URL every page of the same host and port that can be reached is.\n"
             "Default: ") +
         default_directory +
         "\n\n"
         "  --concurrency N    transfers under way at once, 1 to 1000 (32)\n"
         "  --timeout SECONDS  for one transfer (10)\n"
         "  --max-page MIB     pages larger than this are reported as broken (16)\n"
         "  --json FILE        write the report to FILE, too\n"
         "  --external         fetch links to other hosts; without it they are only listed\n"
         "  --help             this text\n"
         "\n"
         "Up to 40 external links are listed one by one, more of them by host; the JSON file has them all.\n"
         "Ctrl-C stops the transfers and reports what was found so far; a second one ends at once.\n"
         "Exit code: 0 nothing is broken, 1 something is, 2 misuse or an error of linkcheck itself, 130 interrupted.\n";
}

}  // namespace linkcheck
