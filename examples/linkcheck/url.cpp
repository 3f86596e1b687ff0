// SPDX-License-Identifier: MIT
#include "url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <utility>

namespace linkcheck {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string result(text);
  curl_free(text);
  return result;
}

void to_lower(std::string& text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\f";
  const auto first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// The scheme in front of the first ':', in small letters; empty for a relative reference.
std::string scheme_of(std::string_view href) {
  const auto colon = href.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  std::string scheme(href.substr(0, colon));
  to_lower(scheme);
  const auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '+' || c == '-' || c == '.'; };
  if (!std::isalpha(static_cast<unsigned char>(scheme[0]))) return {};
  return std::all_of(scheme.begin(), scheme.end(), allowed) ? scheme : std::string();
}

std::string decode(std::string_view text) {
  if (text.find('%') == std::string_view::npos) return std::string(text);
  int length = 0;
  char* plain = curl_easy_unescape(nullptr, text.data(), static_cast<int>(text.size()), &length);
  if (plain == nullptr) return std::string(text);
  std::string result(plain, static_cast<std::size_t>(length));
  curl_free(plain);
  return result;
}

}  // namespace

Link resolve(const std::string& base, std::string_view href) {
  href = trim(href);
  const std::string scheme = scheme_of(href);
  if (!scheme.empty() && scheme != "http" && scheme != "https") return {.kind = Link::Kind::other};

  // The fragment is cut off here: libcurl 7.88 resolves "#part" against the folder of the page, not the page.
  Link link{.kind = Link::Kind::web};
  if (const auto hash = href.find('#'); hash != std::string_view::npos) {
    link.fragment = decode(href.substr(hash + 1));
    href = href.substr(0, hash);
  }
  if (href.empty()) {
    link.address = base;
    return link;
  }
  const UrlHandle url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK ||
      curl_url_set(url.get(), CURLUPART_URL, std::string(href).c_str(), CURLU_URLENCODE) != CURLUE_OK) {
    return {.kind = Link::Kind::malformed};
  }
  link.address = part(url.get(), CURLUPART_URL, CURLU_NO_DEFAULT_PORT);
  if (link.address.empty()) return {.kind = Link::Kind::malformed};
  return link;
}

std::string origin_of(const std::string& address) {
  const UrlHandle url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, address.c_str(), 0) != CURLUE_OK) return {};
  std::string origin = part(url.get(), CURLUPART_SCHEME) + "://" + part(url.get(), CURLUPART_HOST);
  const std::string port = part(url.get(), CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  if (!port.empty()) origin += ":" + port;
  to_lower(origin);
  return origin;
}

bool looks_like_page(const std::string& address) {
  std::string_view path(address);
  path = path.substr(0, path.find('?'));
  const auto name = path.substr(path.rfind('/') + 1);
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return true;
  std::string extension(name.substr(dot + 1));
  to_lower(extension);
  constexpr std::array<std::string_view, 4> pages{"html", "htm", "xhtml", "php"};
  return std::find(pages.begin(), pages.end(), extension) != pages.end();
}

std::string encode_path(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : path) {
    if (std::isalnum(c) != 0 || std::string_view("-._~/").find(static_cast<char>(c)) != std::string_view::npos) {
      encoded += static_cast<char>(c);
    } else {
      encoded += '%';
      encoded += digits[c >> 4U];
      encoded += digits[c & 15U];
    }
  }
  return encoded;
}

}  // namespace linkcheck
