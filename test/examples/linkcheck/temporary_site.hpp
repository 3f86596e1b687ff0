// SPDX-License-Identifier: MIT
// A site in a folder of its own, for one test.
#pragma once

#include <filesystem>
#include <string>

namespace linkcheck_test {

class TemporarySite {
 public:
  TemporarySite();
  ~TemporarySite();
  TemporarySite(const TemporarySite&) = delete;
  TemporarySite& operator=(const TemporarySite&) = delete;

  /// Writes a file, making its folders.
  void file(const std::string& name, const std::string& text) const;
  /// The same for a well-formed page with this body.
  void page(const std::string& name, const std::string& body) const;
  std::string path(const std::string& name = {}) const { return (root_ / name).string(); }

 private:
  std::filesystem::path root_;
};

/// `<a href="TARGET">x</a>`
std::string link(const std::string& target);
std::string html(const std::string& body);
/// "p", 7, ".html" -> "p7.html"
std::string numbered(const std::string& before, int number, const std::string& behind = {});

}  // namespace linkcheck_test
