// SPDX-License-Identifier: MIT
// The report: the same in every run, and the same in JSON.
#include <gtest/gtest.h>

#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <string>

#include "process.hpp"
#include "raw_server.hpp"
#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

/// A site of 60 pages with good and broken links, anchors and files, drawn from a fixed sequence.
void generate(const TemporarySite& site) {
  unsigned state = 20261121;
  const auto draw = [&](unsigned bound) {
    state = state * 1103515245U + 12345U;
    return static_cast<int>(state / 65536U % bound);
  };
  for (int page = 0; page < 60; ++page) {
    std::string body;
    for (int i = 0; i < 40; ++i) {
      const int number = draw(66);  // six of the pages do not exist
      switch (draw(5)) {
        case 0: body += link(numbered("p", number, ".html")); break;
        case 1: body += link(numbered(numbered("p", number, ".html#a"), draw(4))); break;
        case 2: body += link(numbered("files/", number, ".txt")); break;
        case 3: body += link(numbered("http://127.0.0.1:9/", number)); break;
        default: body += numbered("<p id=\"a", draw(3), "\">x</p></b>\n"); break;
      }
    }
    site.page(numbered("p", page, ".html"), body);
    if (page % 2 == 0) site.file(numbered("files/", page, ".txt"), "x");
  }
}

TEST(Report, IsTheSameInEveryRun) {
  const TemporarySite site;
  generate(site);
  const std::string first = linkcheck({site.path()}).stable_report();
  EXPECT_NE(first.find("broken "), std::string::npos);
  EXPECT_EQ(linkcheck({site.path()}).stable_report(), first);
  EXPECT_EQ(linkcheck({site.path()}).stable_report(), first);
  EXPECT_EQ(linkcheck({"--concurrency", "1", site.path()}).stable_report(), first);
  EXPECT_EQ(linkcheck({"--concurrency", "500", site.path()}).stable_report(), first);
}

/// Rebuilds the numbers of the summary, and the list of what is broken, from the JSON file.
constexpr const char* from_json = R"(
import json, sys
report = json.load(open(sys.argv[1], encoding="utf-8"))
print("pages", report["pages"])
print("links", report["links"], "to", report["targets"], "targets")
print("broken", len(report["broken"]))
print("external", str(len(report["external"])) + ("" if report["external_fetched"] else ", not fetched"))
print("warnings", len(report["warnings"]))
for item in report["broken"]: print(item["page"], "->", item["target"] + ":", item["reason"])
for item in report["warnings"]: print(item["page"] + ":", item["text"])
assert not report["interrupted"] and report["unfinished"] == 0
assert report["run"]["peak_tasks"] > 0 and report["run"]["seconds"] > 0
)";

std::string squeezed(std::string line) {
  std::istringstream words(line);
  std::string result;
  for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

TEST(Report, JsonParsesAndAgreesWithTheSummary) {
  const TemporarySite site;
  generate(site);
  site.page("odd.html", link("quote&quot;back\\slash.html") + link("tab&#9;caf\xC3\xA9.html#\xE2\x82\xAC&quot;") +
                            "<a href=\"bytes\xFF\xFE.html\">x</a>");
  const TemporarySite work;
  const Result result = linkcheck({"--json", work.path("report.json"), site.path()});
  EXPECT_EQ(result.exit_code, 1);
  work.file("from_json.py", from_json);
  const std::string command =
      "python3 " + work.path("from_json.py") + " " + work.path("report.json") + " > " + work.path("lines.txt");
  ASSERT_EQ(::system(("PYTHONIOENCODING=utf-8 " + command).c_str()), 0);
  std::ifstream lines(work.path("lines.txt"));
  std::string text;
  std::istringstream report(result.out);
  for (std::string line; std::getline(report, line);) text += squeezed(line) + "\n";
  int compared = 0;
  for (std::string line; std::getline(lines, line); ++compared) {
    EXPECT_NE(text.find(squeezed(line) + "\n"), std::string::npos) << line;
  }
  EXPECT_GT(compared, 20);
}

}  // namespace
}  // namespace linkcheck_test
