// SPDX-License-Identifier: MIT
// Ctrl-C: everything is cancelled and drained, and what was found is printed.
#include <gtest/gtest.h>

#include <signal.h>

#include <string>

#include "process.hpp"
#include "raw_server.hpp"
#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

void expect_partial_report(const Result& result) {
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_TRUE(result.says("Interrupted: ")) << result.out;
  EXPECT_TRUE(result.says("Summary\n")) << result.out;
  EXPECT_TRUE(result.says("unfinished ")) << result.out;
  EXPECT_LT(result.seconds, 10);
  EXPECT_EQ(result.err, "");
}

TEST(Interrupt, WhileTransfersStall) {
  RawServer server;
  server.on("/", [](RawServer::Exchange& exchange) {
    exchange.page(link("/gone.html") + link("/stall/1") + link("/stall/2#x"));
  });
  server.on("/stall/*", [](RawServer::Exchange& exchange) { exchange.stall(); });
  Process process({"--timeout", "60", server.url()});
  ASSERT_TRUE(server.wait_for_requests(4));
  process.send(SIGINT);
  const Result result = process.wait();
  expect_partial_report(result);
  EXPECT_TRUE(result.says("pages           1\n")) << result.out;
}

// The parsers of these pages stand still in an await below libxml2's frames: the cancellation has to get out of there
// without unwinding them. A sanitizer build shows that nothing of the parser is left behind.
TEST(Interrupt, WhileParsersWaitInTheMiddleOfAPage) {
  RawServer server;
  std::string body;
  for (int i = 0; i < 200; ++i) body += link(numbered("/stall/", i));
  for (const char* path : {"/", "/a.html", "/b.html"}) {
    server.on(path, [body](RawServer::Exchange& exchange) { exchange.page(link("/a.html") + link("/b.html") + body); });
  }
  server.on("/stall/*", [](RawServer::Exchange& exchange) { exchange.stall(); });
  Process process({"--timeout", "60", "--concurrency", "8", server.url()});
  ASSERT_TRUE(server.wait_for_requests(10));
  process.send(SIGINT);
  const Result result = process.wait();
  expect_partial_report(result);
  EXPECT_LE(server.requests(), 3U + 8U) << "of the transfers that never end no more than --concurrency may begin";
}

TEST(Interrupt, PartialJsonIsWritten) {
  RawServer server;
  server.on("/", [](RawServer::Exchange& exchange) { exchange.page(link("/stall/1")); });
  server.on("/stall/*", [](RawServer::Exchange& exchange) { exchange.stall(); });
  const TemporarySite folder;
  Process process({"--timeout", "60", "--json", folder.path("report.json"), server.url()});
  ASSERT_TRUE(server.wait_for_requests(2));
  process.send(SIGINT);
  expect_partial_report(process.wait());
  const std::string command = "python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))[\"interrupted\"]' ";
  EXPECT_EQ(::system((command + folder.path("report.json")).c_str()), 0);
}

TEST(Interrupt, ProgressLineIsShownOnATerminalAndErased) {
  RawServer server;
  server.on("/", [](RawServer::Exchange& exchange) { exchange.page(link("/gone.html")); });
  Process process({server.url()}, Process::Stderr::terminal);
  const Result result = process.wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("pages "), std::string::npos) << result.err;
  const std::string erased = "\r\033[K";
  EXPECT_TRUE(result.err.ends_with(erased)) << result.err;
}

}  // namespace
}  // namespace linkcheck_test
