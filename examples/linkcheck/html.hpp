// SPDX-License-Identifier: MIT
// What a page links to and what can be linked to in it: libxml2's HTML parser, one callback per element.
#pragma once

#include <string>
#include <string_view>

namespace linkcheck {

/// Hears what a page contains, in document order.
///
/// The calls come from inside libxml2's C code. They may await and throw all the same: the parser's frames stay on the
/// task's stack while it waits, and parse_page() carries exceptions around them.
class PageVisitor {
 public:
  virtual ~PageVisitor() = default;
  virtual void on_base(std::string_view href) = 0;    ///< where relative links start from
  virtual void on_link(std::string_view href) = 0;    ///< of <a>, <img>, <script>, ...
  virtual void on_anchor(std::string_view name) = 0;  ///< an id= or name=
};

/// What the parser had to say about a page.
struct HtmlErrors {
  int count = 0;
  int first_line = 0;
  std::string first;
};

/// Feeds a page to libxml2. `utf8`: the server says that it is; otherwise the page may say what it is.
///
/// Suspends  As the visitor does. Other tasks may parse meanwhile, each with a parser of its own.
/// Errors    What the visitor throws, CancelledError included; nothing is called after that. std::bad_alloc.
HtmlErrors parse_page(const std::string& body, bool utf8, PageVisitor& visitor);

}  // namespace linkcheck
