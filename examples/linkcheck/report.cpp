// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <sys/resource.h>

#include <iomanip>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

#include "url.hpp"

namespace linkcheck {
namespace {

/// Beyond this many, external links are listed by host.
constexpr std::size_t external_listed = 40;

/// Kilobytes on Linux.
long peak_rss_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

void print_external(std::ostream& out, const Findings& findings) {
  if (findings.external.empty()) return;
  const std::size_t distinct = findings.external.size();
  out << "External links (" << distinct << " distinct, " << (findings.external_fetched ? "fetched" : "not fetched")
      << ")\n";
  if (distinct <= external_listed) {
    for (const ExternalLink& link : findings.external)
      out << std::setw(6) << link.links << "  " << link.address << "\n";
  } else {
    std::map<std::string, std::size_t> hosts;
    for (const ExternalLink& link : findings.external) hosts[origin_of(link.address)] += link.links;
    for (const auto& [host, links] : hosts) out << std::setw(6) << links << "  " << host << "\n";
  }
  out << "\n";
}

template <class Value>
void row(std::ostream& out, std::string_view name, const Value& value) {
  out << "  " << std::left << std::setw(16) << name << std::right << value << "\n";
}

/// Text as a JSON string. Bytes that are no UTF-8 become U+FFFD: addresses on broken pages can be anything.
std::string json_string(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string json = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80                   ? 1
                               : byte >= 0xF0 && byte < 0xF5 ? 4
                               : byte >= 0xE0                ? 3
                               : byte >= 0xC2                ? 2
                                                             : 0;
    bool valid = length > 0 && byte < 0xF5 && i + length <= text.size();
    for (std::size_t k = 1; valid && k < length; ++k)
      valid = (static_cast<unsigned char>(text[i + k]) & 0xC0U) == 0x80U;
    if (!valid) {
      json += "\\ufffd";
      ++i;
      continue;
    }
    if (byte == '"' || byte == '\\') {
      json += '\\';
      json += text[i];
    } else if (byte < 0x20) {
      json += "\\u00";
      json += digits[byte >> 4U];
      json += digits[byte & 15U];
    } else {
      json += text.substr(i, length);
    }
    i += length;
  }
  return json + "\"";
}

/// A JSON array with one line for each item.
template <class List, class Item>
void array(std::ostream& out, std::string_view name, const List& list, Item&& item) {
  out << "  " << json_string(name) << ": [";
  const char* separator = "\n    ";
  for (const auto& entry : list) {
    out << separator;
    item(entry);
    separator = ",\n    ";
  }
  out << (list.empty() ? "]" : "\n  ]") << ",\n";
}

}  // namespace

void print_report(std::ostream& out, const Findings& findings) {
  print_external(out, findings);
  if (!findings.warnings.empty()) {
    out << "Warnings\n";
    for (const Warning& warning : findings.warnings) out << "  " << warning.page << ": " << warning.text << "\n";
    out << "\n";
  }
  if (!findings.broken.empty()) {
    out << "Broken\n";
    for (const Broken& broken : findings.broken) {
      out << "  " << broken.page << " -> " << broken.target << ": " << broken.reason << "\n";
    }
    out << "\n";
  }
  if (findings.run.interrupted) out << "Interrupted: what follows is a part of the site.\n\n";

  out << "Summary\n";
  row(out, "pages", findings.pages);
  row(out, "links", std::to_string(findings.links) + " to " + std::to_string(findings.targets) + " targets");
  row(out, "broken", findings.broken.size());
  row(out, "external", std::to_string(findings.external.size()) + (findings.external_fetched ? "" : ", not fetched"));
  row(out, "warnings", findings.warnings.size());
  if (findings.skipped > 0) row(out, "not http", findings.skipped);
  if (findings.unfinished > 0) row(out, "unfinished", std::to_string(findings.unfinished) + " links");

  out << "\nThis run\n" << std::fixed;
  row(out, "time", std::to_string(static_cast<long>(findings.run.seconds * 1000)) + " ms");
  row(out, "peak tasks", findings.run.peak_tasks);
  row(out, "parser waits", findings.run.parser_waits);
  row(out, "peak RSS", std::to_string(peak_rss_kib() / 1024) + " MiB");
  for (std::string_view name = "slowest pages"; const SlowPage& slow : findings.run.slowest) {
    row(out, name, std::to_string(static_cast<long>(slow.milliseconds)) + " ms  " + slow.page);
    name = "";
  }
}

void print_json(std::ostream& out, const Findings& findings) {
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  out << "{\n"
      << "  \"pages\": " << findings.pages << ",\n"
      << "  \"links\": " << findings.links << ",\n"
      << "  \"targets\": " << findings.targets << ",\n"
      << "  \"not_http\": " << findings.skipped << ",\n"
      << "  \"unfinished\": " << findings.unfinished << ",\n"
      << "  \"interrupted\": " << flag(findings.run.interrupted) << ",\n"
      << "  \"external_fetched\": " << flag(findings.external_fetched) << ",\n";
  array(out, "broken", findings.broken, [&](const Broken& broken) {
    out << "{\"page\": " << json_string(broken.page) << ", \"target\": " << json_string(broken.target)
        << ", \"reason\": " << json_string(broken.reason) << "}";
  });
  array(out, "warnings", findings.warnings, [&](const Warning& warning) {
    out << "{\"page\": " << json_string(warning.page) << ", \"text\": " << json_string(warning.text) << "}";
  });
  array(out, "external", findings.external, [&](const ExternalLink& link) {
    out << "{\"address\": " << json_string(link.address) << ", \"links\": " << link.links << "}";
  });
  out << "  \"run\": {\"seconds\": " << findings.run.seconds << ", \"peak_tasks\": " << findings.run.peak_tasks
      << ", \"parser_waits\": " << findings.run.parser_waits << ", \"peak_rss_kib\": " << peak_rss_kib()
      << ", \"slowest\": [";
  const char* separator = "";
  for (const SlowPage& slow : findings.run.slowest) {
    out << separator << "{\"page\": " << json_string(slow.page) << ", \"milliseconds\": " << slow.milliseconds << "}";
    separator = ", ";
  }
  out << "]}\n}\n";
}

}  // namespace linkcheck
