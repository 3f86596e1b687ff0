// SPDX-License-Identifier: MIT
#include "comparer.hpp"

#include <algorithm>

namespace coir::conformance {
namespace {

/// T22: all awaiters of a cancelled task get its message; in asyncio the first one takes it away.
bool second_awaiter(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours) {
  // Our line is theirs with messages added that some cancel gave before.
  std::string expected(theirs);
  constexpr std::string_view cancelled = "Cancelled";
  std::size_t at = 0;
  bool added = false;
  while ((at = expected.find(cancelled, at)) != std::string::npos) {
    at += cancelled.size();
    if (at < expected.size() && expected[at] == '(') continue;
    if (ours.substr(0, at) != expected.substr(0, at)) return false;
    if (at >= ours.size() || ours[at] != '(') continue;
    const std::string_view message = ours.substr(at, ours.find(')', at) + 1 - at);
    const auto with_message = [&](const std::string& earlier) { return earlier.find(message) != std::string::npos; };
    const std::string bare(message.substr(1, message.size() - 2));
    const auto gave = [&](const std::string& earlier) {
      return with_message(earlier) || earlier.find(" cancel ") != std::string::npos;
    };
    if (!std::any_of(trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(line), gave)) return false;
    expected.insert(at, message);
    added = true;
  }
  return added && expected == ours;
}

/// The line up to its last word.
std::string_view without_last_word(std::string_view line) { return line.substr(0, line.rfind(' ')); }

/// K8: indexes of a barrier are given when it opens, so each is given once, also if one who waited was cancelled.
bool barrier_index(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours) {
  const std::string_view before = without_last_word(theirs);
  if (before.find(" barrier b") == std::string_view::npos || before != without_last_word(ours)) return false;
  return std::any_of(trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(line),
                     [](const std::string& earlier) { return earlier.find("Cancelled") != std::string::npos; });
}

/// G12: a failure behind a cancelled shield stays unretrieved until somebody asks; asyncio retrieves it unseen.
bool behind_shield(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours) {
  std::string expected(theirs);
  const std::size_t failed = expected.find(" failed");
  if (failed == std::string::npos) return false;
  expected.insert(std::min(expected.find(' ', failed + 1), expected.size()), "!");
  return expected == ours &&
         std::any_of(trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(line), [](const std::string& earlier) {
           return earlier.find(" shield ") != std::string::npos && earlier.ends_with(" new");
         });
}

}  // namespace

const std::vector<Mask>& masks() {
  static const std::vector<Mask> all = {
      {"T22", "`Task.cancel`: all awaiters of a cancelled task get its message", second_awaiter},
      {"G12", "`shield`: a failure behind a cancelled shield is reported unless somebody retrieves it", behind_shield},
      {"K8", "`Barrier`: indexes are given when it opens", barrier_index},
  };
  return all;
}

Comparison compare(const Trace& asyncio, const Trace& coir) {
  Comparison result;
  for (std::size_t line = 0; line < std::max(asyncio.size(), coir.size()); ++line) {
    const std::string_view theirs = line < asyncio.size() ? std::string_view(asyncio[line]) : std::string_view();
    const std::string_view ours = line < coir.size() ? std::string_view(coir[line]) : std::string_view();
    if (theirs == ours) continue;
    const auto mask = std::find_if(masks().begin(), masks().end(),
                                   [&](const Mask& each) { return each.allows(asyncio, line, theirs, ours); });
    if (theirs.empty() || ours.empty() || mask == masks().end()) {
      result.difference = line;
      return result;
    }
    result.masked.insert(mask->name);
  }
  return result;
}

std::string explain(const Golden& golden, const Trace& coir, const Comparison& comparison) {
  std::string text = golden.program + "\n";
  const std::size_t lines = std::max(golden.trace.size(), coir.size());
  for (std::size_t line = 0; line < lines; ++line) {
    std::string theirs = line < golden.trace.size() ? golden.trace[line] : "";
    const std::string ours = line < coir.size() ? coir[line] : "";
    theirs.resize(std::max<std::size_t>(theirs.size(), 40), ' ');
    const char* const mark = line == comparison.difference ? " <> " : theirs.starts_with(ours) ? "  = " : "    ";
    text += theirs + mark + ours + "\n";
  }
  return text;
}

}  // namespace coir::conformance
