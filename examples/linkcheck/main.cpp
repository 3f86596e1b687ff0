// SPDX-License-Identifier: MIT
// linkcheck: every link and anchor of a documentation site.
//
// Three C libraries with callbacks of their own, in plain functions that wait: libxml2's SAX callbacks await transfers
// with the parser's frames below them (html.cpp, checker.cpp), libcurl is driven by the loop's descriptors and timers
// (fetcher.cpp), and libmicrohttpd serves a directory from its own thread (site_server.cpp).

#include <coir/coir.hpp>

#include <curl/curl.h>
#include <libxml/parser.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "checker.hpp"
#include "fetcher.hpp"
#include "options.hpp"
#include "progress_line.hpp"
#include "report.hpp"
#include "site_server.hpp"
#include "url.hpp"

namespace linkcheck {
namespace {

constexpr int exit_broken = 1;
constexpr int exit_misuse = 2;
constexpr int exit_interrupted = 130;  // 128 + SIGINT, as shells have it

/// libcurl's and libxml2's global state; both want it made and ended by one thread.
class Libraries {
 public:
  Libraries() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    xmlInitParser();
    // A reader of our output that went away is an error of write(2), not the end of the process.
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~Libraries() {
    xmlCleanupParser();
    curl_global_cleanup();
  }
  Libraries(const Libraries&) = delete;
  Libraries& operator=(const Libraries&) = delete;
};

bool is_html_file(const std::filesystem::path& path) {
  return path.extension() == ".html" || path.extension() == ".htm" || path.extension() == ".xhtml";
}

/// The addresses of all HTML files of the directory that `server` serves, those that no page links to included.
std::vector<std::string> pages_of(const SiteServer& server) {
  namespace fs = std::filesystem;
  std::vector<std::string> pages;
  const fs::path root(server.directory());
  for (const auto& entry : fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied)) {
    std::error_code ignored;
    if (!entry.is_regular_file(ignored) || !is_html_file(entry.path())) continue;
    pages.push_back(server.origin() + "/" + encode_path(entry.path().lexically_relative(root).generic_string()));
  }
  std::sort(pages.begin(), pages.end());
  if (pages.empty()) throw MisuseError("no HTML files in " + server.directory());
  return pages;
}

/// The main task. Whatever way it is left, `findings` has what was found.
void check(const Options& options, const std::vector<std::string>& addresses, Findings& findings) {
  Fetcher fetcher(
      {.concurrency = options.concurrency, .timeout = options.timeout, .max_body_bytes = options.max_page_bytes});
  Checker checker(fetcher, origin_of(addresses.front()), options.external);
  const ProgressLine progress(checker);
  try {
    checker.run(addresses);
  } catch (...) {
    findings = checker.findings();
    throw;
  }
  findings = checker.findings();
}

int run(const Options& options) {
  std::ofstream json;
  if (!options.json_file.empty()) {
    json.open(options.json_file);  // before the work, so that it is not done in vain
    if (!json) throw MisuseError("cannot write " + options.json_file);
  }
  const Libraries libraries;
  std::unique_ptr<SiteServer> server;
  std::vector<std::string> addresses;
  if (options.url.empty()) {
    server = std::make_unique<SiteServer>(options.directory);
    addresses = pages_of(*server);
  } else {
    const Link start = resolve(options.url, options.url);
    if (start.kind != Link::Kind::web || start.address.empty()) throw MisuseError("not a URL: " + options.url);
    addresses.push_back(start.address);
  }

  Findings findings;
  const auto begin = std::chrono::steady_clock::now();
  try {
    coir::run([&] { check(options, addresses, findings); });
  } catch (const coir::KeyboardInterrupt&) {
    findings.run.interrupted = true;
  }
  findings.run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  print_report(std::cout, findings);
  std::cout.flush();
  if (json.is_open()) {
    print_json(json, findings);
    json.close();
    if (!json) throw std::runtime_error("cannot write " + options.json_file);
  }
  if (!std::cout) throw std::runtime_error("cannot write the report");
  if (findings.run.interrupted) return exit_interrupted;
  return findings.broken.empty() ? 0 : exit_broken;
}

}  // namespace
}  // namespace linkcheck

int main(int argc, char** argv) {
  try {
    const linkcheck::Options options = linkcheck::parse_options(argc, argv);
    if (options.help) {
      std::cout << linkcheck::help_text();
      return 0;
    }
    return linkcheck::run(options);
  } catch (const linkcheck::MisuseError& error) {
    std::cerr << "linkcheck: " << error.what() << " (see linkcheck --help)\n";
  } catch (const std::exception& error) {
    std::cerr << "linkcheck: " << error.what() << "\n";
  }
  return linkcheck::exit_misuse;
}
