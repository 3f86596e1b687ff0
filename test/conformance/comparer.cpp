// SPDX-License-Identifier: MIT
#include "comparer.hpp"

#include <algorithm>
#include <functional>

namespace coir::conformance {
namespace {

bool any_before(const Trace& trace, std::size_t line, const std::function<bool(std::string_view)>& matches) {
  return std::any_of(trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(line), matches);
}

/// T22: all awaiters of a cancelled task get its message; in asyncio the first one takes it away.
bool second_awaiter(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours) {
  constexpr std::string_view cancelled = "Cancelled";
  while (theirs != ours) {
    const auto our_rest = std::mismatch(theirs.begin(), theirs.end(), ours.begin(), ours.end()).second;
    const auto same = static_cast<std::size_t>(our_rest - ours.begin());
    if (our_rest == ours.end() || *our_rest != '(' || !ours.substr(0, same).ends_with(cancelled)) return false;
    const std::string_view message = ours.substr(same, ours.find(')', same) + 1 - same);
    const auto has_it = [&](std::string_view earlier) { return earlier.find(message) != std::string_view::npos; };
    if (!any_before(trace, line, has_it)) return false;
    theirs.remove_prefix(same);
    ours.remove_prefix(same + message.size());
  }
  return true;
}

/// The line up to its last word.
std::string_view without_last_word(std::string_view line) { return line.substr(0, line.rfind(' ')); }

/// K8: indexes of a barrier are given when it opens, so each is given once, also if one who waited was cancelled.
bool barrier_index(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours) {
  const std::string_view before = without_last_word(theirs);
  if (before.find(" barrier b") == std::string_view::npos || before != without_last_word(ours)) return false;
  return any_before(trace, line, [](std::string_view earlier) {
    return earlier.find("Cancelled") != std::string_view::npos;
  });
}

/// G12: a failure behind a cancelled shield stays unretrieved until somebody asks; asyncio retrieves it unseen.
bool behind_shield(const Trace& trace, std::size_t line, std::string_view theirs, std::string_view ours) {
  std::string expected(theirs);
  const std::size_t failed = expected.find(" failed");
  if (failed == std::string::npos) return false;
  expected.insert(std::min(expected.find(' ', failed + 1), expected.size()), "!");
  return expected == ours && any_before(trace, line, [](std::string_view earlier) {
    return earlier.find(" shield ") != std::string_view::npos && earlier.ends_with(" new");
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
