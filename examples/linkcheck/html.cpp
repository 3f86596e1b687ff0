// SPDX-License-Identifier: MIT
#include "html.hpp"

#include <libxml/HTMLparser.h>
#include <libxml/xmlerror.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <new>

#include <coir/c_boundary.hpp>

namespace linkcheck {
namespace {

/// How much is parsed before a parser that was stopped notices.
constexpr std::size_t chunk_bytes = 16U << 10U;

constexpr std::array<std::string_view, 2> src_or_href{"href", "src"};
constexpr std::array<std::string_view, 10> linking{"a",      "area",   "link",  "img",   "script",
                                                   "iframe", "source", "video", "audio", "embed"};
/// Elements whose name= can be linked to. Elsewhere, as in <meta> and <input>, it means something else.
constexpr std::array<std::string_view, 6> named{"a", "form", "iframe", "img", "map", "object"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::string_view view(const xmlChar* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

/// One parse: what libxml2's callbacks get as their user data.
struct Parse {
  PageVisitor& visitor;
  htmlParserCtxtPtr parser = nullptr;
  HtmlErrors errors = {};

  void element(std::string_view tag, const xmlChar** attributes) {
    for (; attributes != nullptr && attributes[0] != nullptr; attributes += 2) {
      const std::string_view name = view(attributes[0]);
      if (attributes[1] == nullptr) continue;
      const std::string_view value = view(attributes[1]);
      if (name == "id" || (name == "name" && contains(named, tag))) {
        visitor.on_anchor(value);
      } else if (tag == "base" && name == "href") {
        visitor.on_base(value);
      } else if ((contains(linking, tag) && contains(src_or_href, name)) || (tag == "object" && name == "data")) {
        visitor.on_link(value);
      }
    }
  }
};

/// No exception, not even a CancelledError, may unwind the parser's C frames: it leaves from parse_page().
template <class Fn>
void guarded(void* data, Fn&& fn) noexcept {
  auto& parse = *static_cast<Parse*>(data);
  if (!coir::c_boundary([&] { fn(parse); })) xmlStopParser(parse.parser);
}

void on_start_element(void* data, const xmlChar* name, const xmlChar** attributes) noexcept {
  guarded(data, [&](Parse& parse) { parse.element(view(name), attributes); });
}

void on_error(void* data, xmlErrorPtr error) noexcept {
  guarded(data, [&](Parse& parse) {
    // libxml2 2.9 knows HTML 4: <nav> and <section> are unknown to it, and no error of the page.
    if (error->code == XML_HTML_UNKNOWN_TAG) return;
    if (parse.errors.count++ > 0) return;
    parse.errors.first_line = error->line;
    parse.errors.first = error->message != nullptr ? error->message : "unknown error";
    while (!parse.errors.first.empty() && parse.errors.first.back() == '\n') parse.errors.first.pop_back();
  });
}

htmlSAXHandler callbacks() {
  htmlSAXHandler sax{};
  sax.initialized = XML_SAX2_MAGIC;  // else serror is not looked at
  sax.startElement = on_start_element;
  sax.serror = on_error;
  return sax;
}

struct FreeParser {
  void operator()(htmlParserCtxtPtr parser) const {
    if (parser->myDoc != nullptr) xmlFreeDoc(parser->myDoc);
    htmlFreeParserCtxt(parser);
  }
};

}  // namespace

HtmlErrors parse_page(const std::string& body, bool utf8, PageVisitor& visitor) {
  Parse parse{.visitor = visitor};
  htmlSAXHandler sax = callbacks();
  const std::unique_ptr<htmlParserCtxt, FreeParser> parser(htmlCreatePushParserCtxt(
      &sax, &parse, nullptr, 0, nullptr, utf8 ? XML_CHAR_ENCODING_UTF8 : XML_CHAR_ENCODING_NONE));
  if (!parser) throw std::bad_alloc();
  htmlCtxtUseOptions(parser.get(), HTML_PARSE_RECOVER | HTML_PARSE_NONET | HTML_PARSE_NODEFDTD);
  parse.parser = parser.get();
  coir::call_c([&] {
    for (std::size_t at = 0; at < body.size(); at += chunk_bytes) {
      const std::size_t size = std::min(chunk_bytes, body.size() - at);
      if (htmlParseChunk(parser.get(), body.data() + at, static_cast<int>(size), 0) == XML_ERR_USER_STOP) return;
    }
    htmlParseChunk(parser.get(), nullptr, 0, 1);
  });
  return parse.errors;
}

}  // namespace linkcheck
