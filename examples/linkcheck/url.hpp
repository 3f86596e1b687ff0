// SPDX-License-Identifier: MIT
// URLs of links: made absolute, taken apart and compared.
#pragma once

#include <string>
#include <string_view>

namespace linkcheck {

/// Where a link leads.
struct Link {
  enum class Kind {
    web,        ///< http or https: `address` and `fragment` are set
    other,      ///< mailto, javascript, data, ...: nothing to check
    malformed,  ///< not a URL at all
  };
  Kind kind = Kind::malformed;
  std::string address = {};   ///< absolute, without the fragment, encoded
  std::string fragment = {};  ///< behind '#', percent-decoded
};

/// What `href` on the page at `base` leads to. `base` is absolute.
Link resolve(const std::string& base, std::string_view href);

/// "http://127.0.0.1:8080": scheme, host and port in small letters, the default port left out. Empty if malformed.
std::string origin_of(const std::string& address);

/// Whether a page rather than a file is to be expected there, judged by the end of the path.
bool looks_like_page(const std::string& address);

/// A path as it has to be spelt in a URL: everything but letters, digits and "-._~/" percent-encoded.
std::string encode_path(std::string_view path);

}  // namespace linkcheck
