// SPDX-License-Identifier: MIT
// Servers that misbehave: each is a line in the report, never a crash, a hang or a leak.
#include <gtest/gtest.h>

#include <string>

#include "process.hpp"
#include "raw_server.hpp"
#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

/// A site whose start page links to /x.html, and what /x.html does.
class Failure : public ::testing::Test {
 protected:
  Failure() {
    server.on("/", [](RawServer::Exchange& exchange) { exchange.page(link("/x.html")); });
  }
  Result check(std::vector<std::string> options = {}) {
    options.push_back(server.url());
    return linkcheck(options);
  }
  void expect_broken(const Result& result, const std::string& reason) {
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_TRUE(result.says("  / -> /x.html: " + reason + "\n")) << result.out;
    EXPECT_TRUE(result.says("broken          1\n")) << result.out;
    EXPECT_EQ(result.err, "");
  }
  RawServer server;
};

TEST_F(Failure, ServerError) {
  server.on("/x.html", [](RawServer::Exchange& exchange) { exchange.answer("500 Oops", "", "<html>sorry"); });
  expect_broken(check(), "HTTP 500 Internal Server Error");
}

TEST_F(Failure, StallBeforeTheAnswer) {
  server.on("/x.html", [](RawServer::Exchange& exchange) { exchange.stall(); });
  const Result result = check({"--timeout", "0.3"});
  expect_broken(result, "no complete answer within 0.3 s");
  EXPECT_LT(result.seconds, 10);
}

TEST_F(Failure, StallInTheMiddleOfThePage) {
  server.on("/x.html", [](RawServer::Exchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<html>");
    exchange.stall();
  });
  expect_broken(check({"--timeout", "0.3"}), "no complete answer within 0.3 s");
}

TEST_F(Failure, ManyStallsTakeTheTimeOfAFew) {
  std::string body;
  for (int i = 0; i < 60; ++i) body += link(numbered("/stall/", i));
  server.on("/", [body](RawServer::Exchange& exchange) { exchange.page(body); });
  server.on("/stall/*", [](RawServer::Exchange& exchange) { exchange.stall(); });
  const Result result = check({"--timeout", "0.5", "--concurrency", "20"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.says("broken          60\n")) << result.out;
  EXPECT_LT(result.seconds, 10);
}

TEST_F(Failure, RedirectLoop) {
  server.on("/x.html",
            [](RawServer::Exchange& exchange) { exchange.answer("302 Found", "Location: /y.html\r\n", ""); });
  server.on("/y.html",
            [](RawServer::Exchange& exchange) { exchange.answer("302 Found", "Location: /x.html\r\n", ""); });
  expect_broken(check(), "redirect loop: /x.html -> /y.html -> /x.html");
}

TEST_F(Failure, RedirectToItself) {
  server.on("/x.html", [](RawServer::Exchange& exchange) { exchange.answer("301 Moved", "Location: x.html\r\n", ""); });
  expect_broken(check(), "redirect loop: /x.html -> /x.html");
}

TEST_F(Failure, EndlessRedirects) {
  server.on("/x.html", [](RawServer::Exchange& exchange) { exchange.answer("302 Found", "Location: /r/x\r\n", ""); });
  server.on("/r/*", [](RawServer::Exchange& exchange) {
    exchange.answer("302 Found", "Location: " + exchange.path + "x\r\n", "");
  });
  expect_broken(check(), "more than 10 redirects");
  EXPECT_LT(server.requests(), 20U);
}

constexpr std::size_t fifty_megabytes = 50'000'000;

TEST_F(Failure, FiftyMegabytePageWithItsLengthAnnounced) {
  server.on("/x.html", [](RawServer::Exchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 50000000\r\n\r\n");
    const std::string part(1U << 16U, 'x');
    for (std::size_t sent = 0; sent < fifty_megabytes && !exchange.gone(); sent += part.size()) exchange.send(part);
  });
  const Result result = check();
  expect_broken(result, "larger than 16 MiB");
  EXPECT_LT(result.peak_rss_mib, 300);
}

TEST_F(Failure, FiftyMegabytePageWithoutALength) {
  server.on("/x.html", [](RawServer::Exchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n");
    const std::string part(1U << 16U, 'x');
    for (std::size_t sent = 0; sent < fifty_megabytes && !exchange.gone(); sent += part.size()) exchange.send(part);
  });
  const Result result = check();
  expect_broken(result, "larger than 16 MiB");
  EXPECT_LT(result.peak_rss_mib, 300);
}

TEST_F(Failure, LargeFileBehindAPageNameIsNotRead) {
  server.on("/x.html", [](RawServer::Exchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nConnection: close\r\n\r\n");
    const std::string part(1U << 16U, 'x');
    for (std::size_t sent = 0; sent < fifty_megabytes && !exchange.gone(); sent += part.size()) exchange.send(part);
  });
  const Result result = check();
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_LT(result.peak_rss_mib, 300);
}

TEST_F(Failure, InvalidHtmlIsAWarningWithItsLine) {
  server.on("/x.html", [](RawServer::Exchange& exchange) {
    exchange.answer("200 OK", "Content-Type: text/html\r\n",
                    "<html><body>\n<p>one\n</b></i><a href=/y.html>unclosed<table><div id=a <a name='b\n");
  });
  const Result result = check();
  EXPECT_TRUE(result.says("  /x.html: invalid HTML: line 3: Unexpected end tag : b, and ")) << result.out;
  EXPECT_TRUE(result.says("  /x.html -> /y.html: HTTP 404 Not Found\n")) << result.out;
  EXPECT_EQ(result.exit_code, 1);
}

TEST_F(Failure, BinaryRubbishAsHtml) {
  std::string rubbish;
  for (unsigned i = 0, x = 1; i < 200000; ++i) rubbish += static_cast<char>((x = x * 1103515245U + 12345U) >> 16U);
  server.on("/x.html", [rubbish](RawServer::Exchange& exchange) {
    exchange.answer("200 OK", "Content-Type: text/html; charset=utf-8\r\n", rubbish);
  });
  const Result result = check();
  EXPECT_LE(result.exit_code, 1) << result.err;
  EXPECT_TRUE(result.says("  /x.html: invalid HTML: ")) << result.out;
}

TEST_F(Failure, EmptyPage) {
  server.on("/x.html",
            [](RawServer::Exchange& exchange) { exchange.answer("200 OK", "Content-Type: text/html\r\n", ""); });
  EXPECT_LE(check().exit_code, 1);
}

TEST_F(Failure, ConnectionClosedWithoutAnAnswer) {
  server.on("/x.html", [](RawServer::Exchange&) {});
  expect_broken(check(), "the server closed the connection without an answer");
}

TEST_F(Failure, ConnectionClosedInTheMiddle) {
  server.on("/x.html", [](RawServer::Exchange& exchange) {
    exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<html>");
  });
  expect_broken(check(), "the server closed the connection before the end of the answer");
}

TEST_F(Failure, AnswerThatIsNotHttp) {
  server.on("/x.html", [](RawServer::Exchange& exchange) { exchange.send("SSH-2.0-OpenSSH_9.2\r\n"); });
  const Result result = check();
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_TRUE(result.says("  / -> /x.html: ")) << result.out;
}

TEST_F(Failure, RefusedHeadIsAskedAgainWithGet) {
  server.on("/", [](RawServer::Exchange& exchange) { exchange.page(link("/f.zip")); });
  server.on("/f.zip", [](RawServer::Exchange& exchange) {
    if (exchange.method == "HEAD") return exchange.answer("405 Method Not Allowed", "", "");
    exchange.answer("200 OK", "Content-Type: application/zip\r\n", std::string(100000, 'z'));
  });
  const Result result = check();
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_EQ(server.requests("GET /f.zip"), 1U);
}

TEST_F(Failure, UnreachableSite) {
  const Result result = linkcheck({numbered("http://127.0.0.1:", closed_port(), "/docs/")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.says("  (command line) -> /docs/: cannot connect\n")) << result.out;
}

TEST_F(Failure, MalformedAddress) {
  server.on("/", [](RawServer::Exchange& exchange) { exchange.page(link("http://[::bad/x")); });
  const Result result = check();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(result.says("  / -> http://[::bad/x: malformed address\n")) << result.out;
}

}  // namespace
}  // namespace linkcheck_test
