// SPDX-License-Identifier: MIT
// What a run found out: plain values, ready to be printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace linkcheck {

struct Broken {
  std::string page;    ///< where the link stands
  std::string target;  ///< where it leads
  std::string reason;
  auto operator<=>(const Broken&) const = default;
};

struct Warning {
  std::string page;
  std::string text;
  auto operator<=>(const Warning&) const = default;
};

struct ExternalLink {
  std::string address;
  std::size_t links = 0;  ///< how often it is linked to
  auto operator<=>(const ExternalLink&) const = default;
};

struct SlowPage {
  std::string page;
  double milliseconds = 0;
};

/// Everything but `Run` is the same in every run on the same site. Addresses on the site itself are paths.
struct Findings {
  std::size_t pages = 0;       ///< read and parsed
  std::size_t links = 0;       ///< on those pages, each occurrence counted
  std::size_t targets = 0;     ///< distinct ones, anchors included
  std::size_t skipped = 0;     ///< links that are not http: mailto, javascript, data, ...
  std::size_t unfinished = 0;  ///< links whose target was not decided before the interrupt
  bool external_fetched = false;
  std::vector<Broken> broken;          // sorted
  std::vector<Warning> warnings;       // sorted
  std::vector<ExternalLink> external;  // sorted

  struct Run {
    bool interrupted = false;
    double seconds = 0;
    std::size_t peak_tasks = 0;
    std::uint64_t parser_waits = 0;  ///< awaits that suspended underneath libxml2
    std::vector<SlowPage> slowest;   // slowest first, of the transfers alone
  } run;
};

}  // namespace linkcheck
