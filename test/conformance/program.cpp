// SPDX-License-Identifier: MIT
#include "program.hpp"

#include <stdexcept>

namespace coir::conformance {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view source) : rest_(source) {}

  Block block() {
    Block nodes;
    for (;;) {
      const std::string_view token = next();
      if (token.empty() || token == "}") return nodes;
      if (token != ";") nodes.push_back(statement(token));
    }
  }

 private:
  Node statement(std::string_view name) {
    Node node{.name = std::string(name), .args = {}, .blocks = {}};
    for (;;) {
      const char first = peek();
      if (first == '\0' || first == ';' || first == '}') return node;
      const std::string_view token = next();
      if (token == "{") {
        node.blocks.push_back(block());
      } else {
        node.args.emplace_back(token);
      }
    }
  }

  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }

  /// A word or one of {};. Empty at the end.
  std::string_view next() {
    if (peek() == '\0') return {};
    const std::size_t end = std::min(rest_.find_first_of(" {};"), rest_.size());
    const std::string_view token = rest_.substr(0, end == 0 ? 1 : end);
    rest_.remove_prefix(token.size());
    return token;
  }

  std::string_view rest_;
};

}  // namespace

std::vector<std::string> Node::args_from(std::size_t first) const {
  return {args.begin() + static_cast<std::ptrdiff_t>(std::min(first, args.size())), args.end()};
}

Block parse(std::string_view source) {
  Parser parser(source);
  Block block = parser.block();
  if (block.empty()) throw std::invalid_argument("no program: " + std::string(source));
  return block;
}

}  // namespace coir::conformance
