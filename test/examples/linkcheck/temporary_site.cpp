// SPDX-License-Identifier: MIT
#include "temporary_site.hpp"

#include <stdlib.h>

#include <fstream>
#include <stdexcept>

namespace linkcheck_test {

namespace fs = std::filesystem;

TemporarySite::TemporarySite() {
  std::string pattern = (fs::temp_directory_path() / "linkcheck_test.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  root_ = pattern;
}

TemporarySite::~TemporarySite() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void TemporarySite::file(const std::string& name, const std::string& text) const {
  const fs::path path = root_ / name;
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

void TemporarySite::page(const std::string& name, const std::string& body) const { file(name, html(body)); }

std::string link(const std::string& target) { return "<a href=\"" + target + "\">x</a>\n"; }

std::string html(const std::string& body) {
  return "<!DOCTYPE html>\n<html><head><title>t</title></head><body>\n" + body + "</body></html>\n";
}

std::string numbered(const std::string& before, int number, const std::string& behind) {
  return before + std::to_string(number) + behind;
}

}  // namespace linkcheck_test
