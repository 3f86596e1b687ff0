// SPDX-License-Identifier: MIT
// Sites in a folder: what is found, and what is left alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "process.hpp"
#include "raw_server.hpp"
#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

TEST(Site, WithoutFaultIsExitCodeZero) {
  const TemporarySite site;
  site.page("index.html",
            link("a.html") + link("deep/b.html#there") + link("pic.png") + link("mailto:x@y") + link("deep"));
  site.page("a.html", link("index.html") + link("#") + link("#top") + link(""));
  site.page("deep/b.html", "<p id=\"there\">x</p>" + link("../a.html") + link("/index.html"));
  site.page("deep/index.html", link("../index.html"));
  site.file("pic.png", "not really");
  const Result result = linkcheck({site.path()});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_TRUE(result.says("pages           5\n")) << result.out;  // "deep/" and "deep/index.html" are two
  EXPECT_TRUE(result.says("links           12 to 8 targets\n")) << result.out;
  EXPECT_TRUE(result.says("not http        1\n")) << result.out;
  EXPECT_EQ(result.err, "") << "a progress line belongs on a terminal only";
}

TEST(Site, BrokenLinkIsNamedWithItsPageAndReason) {
  const TemporarySite site;
  site.page("index.html", link("gone.html") + link("missing.png") + "<img src=\"no/pic.svg\" alt=\"x\">");
  site.page("sub/other.html", link("../gone.html"));
  const Result result = linkcheck({site.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.stable_report(),
            "Broken\n"
            "  /index.html -> /gone.html: HTTP 404 Not Found\n"
            "  /index.html -> /missing.png: HTTP 404 Not Found\n"
            "  /index.html -> /no/pic.svg: HTTP 404 Not Found\n"
            "  /sub/other.html -> /gone.html: HTTP 404 Not Found\n"
            "\n"
            "Summary\n"
            "  pages           2\n"
            "  links           4 to 5 targets\n"
            "  broken          4\n"
            "  external        0, not fetched\n"
            "  warnings        0\n");
}

TEST(Site, AnchorsAreLookedUpByIdAndName) {
  const TemporarySite site;
  site.page("index.html", link("a.html#id") + link("a.html#name") + link("a.html#caf%C3%A9") + link("a.html#none") +
                              link("#self") + link("a.html#viewport"));
  site.page("a.html", "<meta name=\"viewport\"><p id=\"id\">x</p><a name=\"name\">x</a><p id=\"caf\xC3\xA9\">x</p>");
  const Result result = linkcheck({site.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.says("/index.html -> /a.html#none: no such anchor on the page\n")) << result.out;
  EXPECT_TRUE(result.says("/index.html -> /index.html#self: no such anchor on the page\n")) << result.out;
  EXPECT_TRUE(result.says("/index.html -> /a.html#viewport: no such anchor on the page\n")) << result.out;
  EXPECT_TRUE(result.says("broken          3\n")) << result.out;
}

TEST(Site, PagesThatLinkToEachOthersAnchorsDoNotWaitForEver) {
  const TemporarySite site;
  for (int page = 0; page < 5; ++page) {
    std::string body = "<p id=\"x\">x</p>";
    for (int other = 0; other < 5; ++other) body += link(numbered("", other, ".html#x"));
    site.page(numbered("", page, ".html"), body);
  }
  const Result result = linkcheck({"--concurrency", "1", site.path()});
  EXPECT_EQ(result.exit_code, 0) << result.out;
}

TEST(Site, LinksToOtherHostsAreListedAndNotFetched) {
  RawServer other;
  const TemporarySite site;
  site.page("index.html", link(other.url("/a")) + link(other.url("/a")) + link(other.url("/b#x")));
  const Result result = linkcheck({site.path()});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_EQ(other.requests(), 0U);
  EXPECT_TRUE(result.says("External links (2 distinct, not fetched)\n")) << result.out;
  EXPECT_TRUE(result.says("     2  " + other.url("/a") + "\n")) << result.out;
  EXPECT_TRUE(result.says("     1  " + other.url("/b") + "\n")) << result.out;
}

TEST(Site, RedirectToAnotherHostIsNotFollowed) {
  RawServer other;
  RawServer site;
  site.on("/", [&](RawServer::Exchange& exchange) { exchange.page(link("/away.html")); });
  site.on("/away.html", [&](RawServer::Exchange& exchange) {
    exchange.answer("302 Found", "Location: " + other.url("/") + "\r\n", "");
  });
  const Result result = linkcheck({site.url()});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_EQ(other.requests(), 0U);
}

TEST(Site, ExternalOptionFetchesOtherHosts) {
  RawServer other;
  other.on("/fine", [](RawServer::Exchange& exchange) { exchange.page(link("/never-followed.html")); });
  const std::string unreachable = numbered("http://127.0.0.1:", closed_port(), "/");
  const TemporarySite site;
  site.page("index.html", link(other.url("/fine")) + link(other.url("/gone")) + link(unreachable));
  const Result result = linkcheck({"--external", site.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.says("/index.html -> " + other.url("/gone") + ": HTTP 404 Not Found\n")) << result.out;
  EXPECT_TRUE(result.says("/index.html -> " + unreachable + ": cannot connect\n")) << result.out;
  EXPECT_TRUE(result.says("broken          2\n")) << result.out;
  EXPECT_EQ(other.requests(), 2U);
}

TEST(Site, EachAddressIsFetchedOnce) {
  RawServer server;
  const std::string everything =
      link("/a.html") + link("/a.html#x") + link("/b.html") + link("/pic.png") + link("/old.html");
  for (const char* path : {"/", "/a.html", "/b.html"}) {
    server.on(path, [&](RawServer::Exchange& exchange) { exchange.page("<p id=\"x\">x</p>" + everything); });
  }
  server.on("/old.html", [](RawServer::Exchange& exchange) {
    exchange.answer("301 Moved Permanently", "Location: /a.html\r\n", "");
  });
  server.on("/pic.png",
            [](RawServer::Exchange& exchange) { exchange.answer("200 OK", "Content-Type: image/png\r\n", "x"); });
  const Result result = linkcheck({server.url()});
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_EQ(server.requests(), 5U);
  EXPECT_EQ(server.requests("GET /a.html"), 1U);
  EXPECT_EQ(server.requests("HEAD /pic.png"), 1U);
}

TEST(Site, NothingAboveTheFolderIsServed) {
  const TemporarySite site;
  site.page("docs/index.html", link("..%2fsecret.html") + link("%2e%2e/secret.html"));
  site.page("secret.html", "");
  const Result result = linkcheck({site.path("docs")});
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_TRUE(result.says("pages           1\n")) << result.out;
}

TEST(Site, ThousandsOfTasksAtOnce) {
  const TemporarySite site;
  constexpr int pages = 2000;
  for (int page = 0; page < pages; ++page) {
    site.page(numbered("p", page, ".html"), link(numbered("p", (page + 1) % pages, ".html")));
  }
  const Result result = linkcheck({"--json", site.path("report.json"), site.path()});
  EXPECT_EQ(result.exit_code, 0) << result.stable_report();
  EXPECT_TRUE(result.says("pages           2000\n")) << result.stable_report();
  const auto peak = result.out.find("peak tasks");
  ASSERT_NE(peak, std::string::npos);
  EXPECT_GE(std::stol(result.out.substr(peak + 10)), 2 * pages);  // each page's transfer and each target's decision
}

TEST(Site, TenThousandLinksOnOnePage) {
  const TemporarySite site;
  std::string body;
  for (int i = 0; i < 10000; ++i) body += link(numbered("f", i % 1000 == 0 ? 0 : i, ".txt"));
  site.page("index.html", body);
  for (int i = 0; i < 10000; i += 2) site.file(numbered("f", i, ".txt"), "x");
  const Result result = linkcheck({site.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.says("links           10000 to 9992 targets\n")) << result.out.substr(result.out.size() - 600);
  EXPECT_TRUE(result.says("broken          5000\n"));
  EXPECT_LT(result.peak_rss_mib, 800);  // a sanitizer's share included; about 30 without
}

TEST(Site, PythonDocumentation) {
  if (!std::filesystem::exists("/usr/share/doc/python3.11/html/index.html")) GTEST_SKIP() << "needs python3.11-doc";
  const Result result = Process({}).wait(std::chrono::seconds(100));
  EXPECT_LE(result.exit_code, 1) << result.err;
  EXPECT_TRUE(result.says("Summary\n"));
  const auto pages = result.out.find("  pages ");
  ASSERT_NE(pages, std::string::npos);
  EXPECT_GT(std::stol(result.out.substr(pages + 8)), 500);
}

}  // namespace
}  // namespace linkcheck_test
