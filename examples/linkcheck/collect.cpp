// SPDX-License-Identifier: MIT
// The part of Checker that sums up.
#include <coir/event_loop.hpp>

#include <algorithm>
#include <map>

#include "checker.hpp"

namespace linkcheck {
namespace {

constexpr std::size_t slowest_pages = 5;

}  // namespace

Checker::Progress Checker::progress() const {
  Progress progress = counts_;
  progress.tasks = coir::get_running_loop().stats().tasks;
  return progress;
}

/// Addresses on the site as paths: its port differs from run to run.
std::string Checker::display(const std::string& address) const {
  const bool internal = address.starts_with(origin_) && address.compare(origin_.size(), 1, "/") == 0;
  return internal ? address.substr(origin_.size()) : address;
}

Findings Checker::findings() const {
  Findings findings;
  findings.targets = targets_.size();
  findings.external_fetched = external_;
  findings.run.peak_tasks = peak_tasks_;
  findings.run.parser_waits = parser_waits_;
  std::map<std::string, std::size_t> external;
  const auto add_broken = [&](const std::string& page, const Target& target) {
    std::string to = display(target.resource->address);
    if (!target.fragment.empty()) to += "#" + target.fragment;
    findings.broken.push_back({page, std::move(to), target.reason});
  };

  for (const auto& [address, resource] : resources_) {
    const std::string page = display(address);
    if (resource->read) ++findings.pages;
    for (const auto& [target, count] : resource->links) {
      findings.links += count;
      if (!target->resource->internal) external[target->resource->address] += count;
      if (target->state == Target::State::undecided) findings.unfinished += count;
      if (target->state == Target::State::broken) add_broken(page, *target);
    }
    findings.links += resource->malformed_links.size();
    findings.skipped += resource->skipped_links;
    for (const std::string& link : resource->malformed_links) {
      findings.broken.push_back({page, link, "malformed address"});
    }
    if (const HtmlErrors& errors = resource->html_errors; errors.count > 0) {
      findings.warnings.push_back(
          {page, "invalid HTML: line " + std::to_string(errors.first_line) + ": " + errors.first +
                     (errors.count > 1 ? ", and " + std::to_string(errors.count - 1) + " more" : "")});
    }
    if (resource->read) findings.run.slowest.push_back({page, resource->response.milliseconds});
  }
  for (const auto& [key, target] : targets_) {
    if (target.on_command_line && target.state == Target::State::broken) add_broken("(command line)", target);
  }

  std::sort(findings.broken.begin(), findings.broken.end());
  findings.broken.erase(std::unique(findings.broken.begin(), findings.broken.end()), findings.broken.end());
  std::sort(findings.warnings.begin(), findings.warnings.end());
  for (const auto& [address, links] : external) findings.external.push_back({address, links});
  auto& slowest = findings.run.slowest;
  std::sort(slowest.begin(), slowest.end(),
            [](const SlowPage& a, const SlowPage& b) { return a.milliseconds > b.milliseconds; });
  if (slowest.size() > slowest_pages) slowest.resize(slowest_pages);
  return findings;
}

}  // namespace linkcheck
