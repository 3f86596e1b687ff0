// SPDX-License-Identifier: MIT
// libxml2's frames between a task's awaits: exceptions and cancellation go around them.
#include <coir/coir.hpp>
#include <coir/testing.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "html.hpp"
#include "temporary_site.hpp"

namespace linkcheck_test {
namespace {

using namespace std::chrono_literals;

class Visitor final : public linkcheck::PageVisitor {
 public:
  explicit Visitor(std::function<void()> per_link = [] {}) : per_link_(std::move(per_link)) {}
  void on_base(std::string_view) override {}
  void on_anchor(std::string_view name) override { anchors.emplace_back(name); }
  void on_link(std::string_view href) override {
    links.emplace_back(href);
    per_link_();
  }
  std::vector<std::string> links;
  std::vector<std::string> anchors;

 private:
  std::function<void()> per_link_;
};

std::string page_of_links(int count) {
  std::string body;
  for (int i = 0; i < count; ++i) body += link(numbered("", i));
  return html(body);
}

TEST(ParsePage, ParsersOfManyTasksWaitInTheirCallbacksAtOnce) {
  coir::run_virtual([] {
    std::vector<coir::Task<std::size_t>> parsers;
    for (int i = 0; i < 50; ++i) {
      parsers.push_back(coir::create_task([i] {
        Visitor visitor([] { coir::sleep(1ms); });
        linkcheck::parse_page(page_of_links(20 + i), true, visitor);
        return visitor.links.size();
      }));
    }
    const auto begin = coir::get_running_loop().time();
    const std::vector<std::size_t> counts = coir::await(coir::gather(parsers));
    for (std::size_t i = 0; i < counts.size(); ++i) EXPECT_EQ(counts[i], 20 + i);
    EXPECT_EQ(coir::get_running_loop().time() - begin, 69ms);
  });
}

TEST(ParsePage, ExceptionOfTheVisitorArrivesAndNothingIsCalledAfterIt) {
  coir::run_virtual([] {
    int calls = 0;
    Visitor visitor([&] {
      coir::sleep(1ms);
      if (++calls == 3) throw std::runtime_error("third");
    });
    EXPECT_THROW(linkcheck::parse_page(page_of_links(5000), true, visitor), std::runtime_error);
    EXPECT_EQ(calls, 3);
  });
}

TEST(ParsePage, CancellationGoesAroundTheParser) {
  coir::run_virtual([] {
    Visitor visitor([] { coir::sleep(1h); });
    auto task = coir::create_task([&] { linkcheck::parse_page(page_of_links(5000), true, visitor); });
    coir::sleep(1ms);
    EXPECT_EQ(visitor.links.size(), 1U);
    task.cancel();
    EXPECT_THROW(coir::await(task), coir::CancelledError);
    EXPECT_EQ(visitor.links.size(), 1U);
  });
}

TEST(ParsePage, TimeoutBelowTheParserIsTheVisitorsOwn) {
  coir::run_virtual([] {
    int timeouts = 0;
    Visitor visitor([&] {
      try {
        coir::timeout(1ms, [] { coir::sleep(1h); });
      } catch (const coir::TimeoutError&) {
        ++timeouts;
      }
    });
    linkcheck::parse_page(page_of_links(10), true, visitor);
    EXPECT_EQ(timeouts, 10);
  });
}

TEST(ParsePage, TimeoutAroundTheParser) {
  coir::run_virtual([] {
    Visitor visitor([] { coir::sleep(10ms); });
    EXPECT_THROW(coir::timeout(35ms, [&] { linkcheck::parse_page(page_of_links(100), true, visitor); }),
                 coir::TimeoutError);
    EXPECT_EQ(visitor.links.size(), 4U);
  });
}

TEST(ParsePage, FindsLinksAndAnchors) {
  coir::run_virtual([] {
    Visitor visitor;
    const linkcheck::HtmlErrors errors = linkcheck::parse_page(
        html("<section id=s><a href='x&amp;y' id=a name=n>t</a><img src=i.png><input name=no><object data=o></object>"
             "<script src=j.js>var a = '<a href=\"inside\">';</script></section>"),
        true, visitor);
    EXPECT_EQ(visitor.links, (std::vector<std::string>{"x&y", "i.png", "o", "j.js"}));
    EXPECT_EQ(visitor.anchors, (std::vector<std::string>{"s", "a", "n"}));
    EXPECT_EQ(errors.count, 0) << errors.first;
  });
}

}  // namespace
}  // namespace linkcheck_test
