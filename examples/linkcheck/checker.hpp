// SPDX-License-Identifier: MIT
// Follows the links of a site and decides about each.
#pragma once

#include <coir/future.hpp>
#include <coir/task.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fetcher.hpp"
#include "findings.hpp"
#include "html.hpp"

namespace linkcheck {

struct Target;

/// One address without a fragment, fetched once however many links lead there.
struct Resource {
  std::string address;
  bool internal = false;      ///< on the site that is checked
  coir::Task<void> fetching;  ///< fills in what follows; does not fail with a FetchError
  Response response = {};     ///< a redirect as it is; the body is taken by the page's task
  std::string error = {};     ///< why there is no response; empty if there is one
  coir::Task<void> reading;   ///< the page's task, set when `fetching` is done; empty: not an HTML page of this site

  // What `reading` fills in.
  std::unordered_set<std::string> anchors = {};
  std::unordered_map<Target*, std::size_t> links = {};  ///< and how often
  std::vector<std::string> malformed_links = {};
  std::size_t skipped_links = 0;
  HtmlErrors html_errors = {};
  bool read = false;  ///< to the end
};

/// One distinct thing that is linked to: an address with its fragment.
struct Target {
  enum class State { undecided, fine, broken };
  Resource* resource = nullptr;
  std::string fragment = {};
  bool on_command_line = false;  ///< checked even if no page links to it
  State state = State::undecided;
  std::string reason = {};  ///< if broken
  coir::Task<void> deciding;
};

/// Checks a site with a task for each resource, page and target; only transfers are limited.
///
///     Resource::fetching   one HTTP request, no redirects followed       waits for the Fetcher alone
///     Resource::reading    parses the page, finds links and anchors      waits for `fetching` of what it links to
///     Target::deciding     follows redirects, looks up the anchor        waits for `fetching` and `reading`
///
/// I1  A task waits for tasks of the rows above its own only, so there is no circle, whatever the links do.
/// I2  Who waits for a resource waits through shield(): the cancellation of one must not take the answer from others.
/// Lifetime  All tasks are done when run() leaves, however it leaves.
class Checker {
 public:
  /// `origin`: scheme, host and port of the site; all else is external and fetched only if `external`.
  Checker(Fetcher& fetcher, std::string origin, bool external);
  ~Checker();
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  /// Checks these addresses and everything that can be reached from them.
  /// Suspends  Until all is decided.
  /// Cancel    Cancels every task, waits for their ends and throws CancelledError; findings() has what was found.
  void run(const std::vector<std::string>& addresses);

  /// In any state of the work. Suspends: never.
  Findings findings() const;

  /// For the progress line.
  struct Progress {
    std::size_t pages, links, targets, decided, broken, tasks;
  };
  Progress progress() const;

 private:
  class Visit;
  friend class Visit;

  Resource& resource(const std::string& address);
  Target& target(Resource& resource, const std::string& fragment);
  void fetch(Resource& resource);
  void read(Resource& resource);
  void decide(Target& target);
  std::optional<std::string> verdict(Target& target);
  coir::Task<void> spawn(std::function<void()> body);
  void on_task_done(const coir::AnyFuture& task);
  void cancel_and_drain();
  bool wanted(const Resource& resource) const { return resource.internal || external_; }
  std::string display(const std::string& address) const;

  Fetcher& fetcher_;
  const std::string origin_;
  const bool external_;
  /// How many unanswered fetches the parser of one page may run ahead of. Beyond, it stands still in the middle of the
  /// page, so that a page of 10,000 links does not queue 10,000 of them; twice the concurrency keeps all transfers busy
  /// even if the site is that one page.
  const std::size_t links_ahead_;
  std::unordered_map<std::string, std::unique_ptr<Resource>> resources_;
  std::map<std::pair<Resource*, std::string>, Target> targets_;

  std::size_t running_ = 0;     // tasks of spawn() that are not done
  std::size_t peak_tasks_ = 0;  // of the whole loop
  coir::Future<void> idle_;     // done when running_ gets to zero
  bool stopping_ = false;
  std::exception_ptr first_failure_;  // what no task should throw: out of memory, a bug

  Progress counts_{};
  std::uint64_t parser_waits_ = 0;
};

}  // namespace linkcheck
