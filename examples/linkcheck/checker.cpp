// SPDX-License-Identifier: MIT
#include "checker.hpp"

#include <coir/await.hpp>
#include <coir/shield.hpp>

#include <algorithm>
#include <array>
#include <deque>

#include "url.hpp"

namespace linkcheck {
namespace {

constexpr std::size_t max_redirects = 10;

std::string http_reason(long status) {
  constexpr std::array<std::pair<long, const char*>, 8> phrases{{{400, " Bad Request"},
                                                                 {401, " Unauthorized"},
                                                                 {403, " Forbidden"},
                                                                 {404, " Not Found"},
                                                                 {410, " Gone"},
                                                                 {500, " Internal Server Error"},
                                                                 {502, " Bad Gateway"},
                                                                 {503, " Service Unavailable"}}};
  std::string reason = "HTTP " + std::to_string(status);
  for (const auto& [code, phrase] : phrases) {
    if (code == status) reason += phrase;
  }
  return reason;
}

}  // namespace

/// Turns what libxml2 finds on one page into resources and targets. Its calls come from inside the parser.
class Checker::Visit final : public PageVisitor {
 public:
  Visit(Checker& checker, Resource& page) : checker_(checker), page_(page), base_(page.address) {}

  void on_base(std::string_view href) override {
    const Link base = resolve(page_.address, href);
    if (base.kind == Link::Kind::web) base_ = base.address;
  }

  void on_anchor(std::string_view name) override { page_.anchors.emplace(name); }

  void on_link(std::string_view href) override {
    const Link link = resolve(base_, href);
    if (link.kind == Link::Kind::other) {
      ++page_.skipped_links;
      return;
    }
    ++checker_.counts_.links;
    if (link.kind == Link::Kind::malformed) {
      page_.malformed_links.emplace_back(href);
      return;
    }
    Resource& resource = checker_.resource(link.address);
    Target& target = checker_.target(resource, link.fragment);
    ++page_.links[&target];
    if (!resource.fetching || resource.fetching.done()) return;
    ahead_.push_back(&resource);
    while (ahead_.size() > checker_.links_ahead_) wait_for_oldest();
  }

 private:
  /// The parser's C frames are between this await and parse_page(); they stay where they are, on this task's stack.
  void wait_for_oldest() {
    const auto& fetching = ahead_.front()->fetching;
    if (!fetching.done()) {
      ++checker_.parser_waits_;
      coir::await(coir::shield(fetching));
    }
    ahead_.pop_front();
  }

  Checker& checker_;
  Resource& page_;
  std::string base_;
  std::deque<Resource*> ahead_;  // linked to and, when last looked at, not answered
};

Checker::Checker(Fetcher& fetcher, std::string origin, bool external)
    : fetcher_(fetcher), origin_(std::move(origin)), external_(external), links_ahead_(2 * fetcher.concurrency()) {}

Checker::~Checker() = default;

void Checker::run(const std::vector<std::string>& addresses) {
  idle_ = coir::get_running_loop().create_future<void>();
  for (const std::string& address : addresses) target(resource(address), {}).on_command_line = true;
  std::exception_ptr leaving;
  try {
    if (running_ > 0) coir::await(coir::shield(idle_));
  } catch (...) {
    leaving = std::current_exception();
  }
  if (leaving || first_failure_) cancel_and_drain();
  if (first_failure_) std::rethrow_exception(first_failure_);
  if (leaving) std::rethrow_exception(leaving);
}

void Checker::cancel_and_drain() {
  stopping_ = true;
  for (auto& [key, target] : targets_) target.deciding.cancel();
  for (auto& [address, resource] : resources_) {
    if (resource->reading) resource->reading.cancel();
    if (resource->fetching) resource->fetching.cancel();
  }
  if (running_ == 0) return;
  idle_ = coir::get_running_loop().create_future<void>();
  coir::await(coir::shield(idle_));
}

Resource& Checker::resource(const std::string& address) {
  std::unique_ptr<Resource>& found = resources_[address];
  if (!found) {
    found = std::make_unique<Resource>();
    Resource& made = *found;
    made.address = address;
    made.internal = origin_of(address) == origin_;
    if (wanted(made)) made.fetching = spawn([this, &made] { fetch(made); });
  }
  return *found;
}

Target& Checker::target(Resource& resource, const std::string& fragment) {
  const auto [place, is_new] = targets_.try_emplace({&resource, fragment});
  Target& target = place->second;
  if (is_new) {
    target.resource = &resource;
    target.fragment = fragment;
    ++counts_.targets;
    target.deciding = spawn([this, &target] { decide(target); });
  }
  return target;
}

void Checker::fetch(Resource& resource) {
  // A file need not be sent to know that it is there; a page is needed whole.
  Request request{.address = resource.address,
                  .head = !resource.internal || !looks_like_page(resource.address),
                  .keep_body = resource.internal};
  try {
    resource.response = fetcher_.fetch(request);
    const Response& response = resource.response;
    const bool refused = response.status == 405 || response.status == 501;
    if (request.head && (refused || (resource.internal && response.ok() && response.html))) {
      request.head = false;
      resource.response = fetcher_.fetch(request);
    }
  } catch (const FetchError& error) {
    resource.error = error.what();
    return;
  }
  if (resource.internal && resource.response.ok() && resource.response.html) {
    resource.reading = spawn([this, &resource] { read(resource); });
  }
}

void Checker::read(Resource& resource) {
  Visit visit(*this, resource);
  const std::string body = std::exchange(resource.response.body, {});
  resource.html_errors = parse_page(body, resource.response.utf8, visit);
  resource.read = true;
  ++counts_.pages;
}

void Checker::decide(Target& target) {
  const std::optional<std::string> reason = verdict(target);
  target.state = reason ? Target::State::broken : Target::State::fine;
  target.reason = reason.value_or("");
  ++counts_.decided;
  if (reason) ++counts_.broken;
}

/// Why the target is broken; empty if it is not.
std::optional<std::string> Checker::verdict(Target& target) {
  std::vector<Resource*> redirected;
  Resource* at = target.resource;
  while (true) {
    if (!wanted(*at)) return std::nullopt;
    coir::await(coir::shield(at->fetching));
    if (!at->error.empty()) return at->error;
    if (at->response.location.empty()) break;
    redirected.push_back(at);
    const Link next = resolve(at->address, at->response.location);
    if (next.kind != Link::Kind::web) return "redirect to something that is not a web address";
    at = &resource(next.address);
    if (std::find(redirected.begin(), redirected.end(), at) != redirected.end()) {
      std::string way;
      for (const Resource* step : redirected) way += display(step->address) + " -> ";
      return "redirect loop: " + way + display(at->address);
    }
    if (redirected.size() > max_redirects) return "more than " + std::to_string(max_redirects) + " redirects";
  }
  if (!at->response.ok()) return http_reason(at->response.status);
  if (target.fragment.empty() || !at->reading) return std::nullopt;
  coir::await(coir::shield(at->reading));
  // "#top" is the top of any page, by the HTML standard.
  if (at->anchors.contains(target.fragment) || target.fragment == "top") return std::nullopt;
  return "no such anchor on the page";
}

coir::Task<void> Checker::spawn(std::function<void()> body) {
  if (stopping_) throw coir::CancelledError("the check is being stopped");
  auto task = coir::create_task(std::move(body));
  ++running_;
  task.add_done_callback([this](const coir::AnyFuture& done) { on_task_done(done); });
  peak_tasks_ = std::max(peak_tasks_, coir::get_running_loop().stats().tasks);
  return task;
}

void Checker::on_task_done(const coir::AnyFuture& task) {
  if (!task.cancelled() && task.exception() && !first_failure_) first_failure_ = task.exception();
  --running_;
  const bool over = running_ == 0 || (first_failure_ && !stopping_);
  if (over && !idle_.done()) idle_.set_result();
}

}  // namespace linkcheck
