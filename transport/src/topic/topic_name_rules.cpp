#include "topic/topic_name_rules.hpp"

#include <sluice/error.hpp>

#include <sluice/detail/quote.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace sluice::detail {

namespace {

constexpr std::array<std::string_view, 4> kSubstitutions{"node", "ns", "namespace", "name"};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_token_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

/// One pass over one name. Positions in sentences are 1-based.
class NameChecker {
 public:
  NameChecker(std::string_view what, std::string_view name, const NameForm& form)
      : what_(what), name_(name), form_(form) {}

  void check() const {
    if (name_.empty()) refuse("a name needs at least one character");
    if (name_.size() > kLongestName) {
      refuse("it has " + std::to_string(name_.size()) + " characters (at most " + std::to_string(kLongestName) + ")");
    }
    if (name_.front() == '/' && !form_.leading_slash) refuse("'/' at position 1 (it must be a single token)");
    std::size_t start = name_.front() == '/' ? 1 : 0;
    if (start == name_.size()) refuse("a name needs at least one token after '/'");
    while (start <= name_.size()) {
      const std::size_t end = std::min(name_.find('/', start), name_.size());
      check_token(start, end);
      start = end + 1;
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(std::string{what_} + " " + quote(name_) + ": " + reason);
  }

  static std::string at(std::size_t index) { return " at position " + std::to_string(index + 1); }

  void check_token(std::size_t start, std::size_t end) const {
    if (start == end) {
      if (start == name_.size()) refuse("'/'" + at(start - 1) + " is the last character (names must not end with '/')");
      refuse("empty token" + at(start) + " (names must not contain '//')");
    }
    const std::string_view token = name_.substr(start, end - start);
    if (form_.wildcards && token.find('*') != std::string_view::npos) {
      if (token == "*" || token == "**") return;
      refuse("token " + quote(token) + at(start) + " (a wildcard is a whole token: '*' or '**')");
    }
    if (form_.private_names && token.front() == '~') {
      if (start != 0) refuse("'~'" + at(start) + " (only the first character can be '~')");
      if (token.size() > 1) refuse("'~' is followed by " + quote(token.substr(1, 1)) + " (only '/' can follow '~')");
      return;
    }
    if (is_digit(token.front())) {
      refuse("token " + quote(token) + at(start) + " begins with a digit (tokens begin with a letter or '_')");
    }
    check_characters(start, end);
  }

  void check_characters(std::size_t start, std::size_t end) const {
    for (std::size_t i = start; i < end; ++i) {
      if (form_.substitutions && name_[i] == '{') {
        i = check_substitution(i);
      } else if (!is_token_character(name_[i])) {
        const std::size_t length = std::max<std::size_t>(utf8_length(name_.substr(i)), 1);
        refuse("character " + quote(name_.substr(i, length)) + at(i) +
               " (names have letters, digits, '_' and '/' only)");
      } else if (name_[i] == '_' && i + 1 < end && name_[i + 1] == '_') {
        refuse("'__'" + at(i) + " (names must not contain '__')");
      }
    }
  }

  /// Returns the index of the closing brace.
  [[nodiscard]] std::size_t check_substitution(std::size_t open) const {
    const std::size_t close = name_.find('}', open);
    if (close == std::string_view::npos) refuse("'{'" + at(open) + " has no '}'");
    const std::string_view word = name_.substr(open + 1, close - open - 1);
    if (std::find(kSubstitutions.begin(), kSubstitutions.end(), word) == kSubstitutions.end()) {
      refuse("unknown substitution " + quote(name_.substr(open, close - open + 1)) + at(open) +
             " (known are {node}, {name}, {ns} and {namespace})");
    }
    return close;
  }

  std::string_view what_;
  std::string_view name_;
  const NameForm& form_;
};

}  // namespace

void check_name(std::string_view what, std::string_view name, const NameForm& form) {
  NameChecker{what, name, form}.check();
}

}  // namespace sluice::detail
