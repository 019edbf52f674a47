#include "substitution.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>

#include <sluice/error.hpp>

#include "substitution_table.hpp"

namespace sluice::launch {

namespace {

class Expander {
 public:
  Expander(const Text& text, const Scope& scope) : place_(text), text_(text.text), scope_(scope) {}

  std::string value() {
    std::string out;
    while (!done()) {
      if (sees("\\$")) {
        out += '$';
        at_ += 2;
      } else {
        out += sees("$(") ? substitution() : std::string(1, take());
      }
    }
    return out;
  }

  std::vector<std::string> words() {
    std::vector<std::string> out;
    while (true) {
      while (!done() && is_space()) ++at_;
      if (done()) return out;
      std::string word;
      bool literal = false;
      while (!done() && !is_space()) {
        literal = literal || !sees("$(");
        word += fragment();
      }
      if (literal || !word.empty()) out.push_back(std::move(word));
    }
  }

 private:
  [[nodiscard]] bool done() const { return at_ == text_.size(); }
  [[nodiscard]] bool is_space() const { return std::isspace(static_cast<unsigned char>(text_[at_])) != 0; }
  [[nodiscard]] bool sees(std::string_view word) const { return text_.substr(at_, word.size()) == word; }
  char take() { return text_[at_++]; }
  [[noreturn]] void fail(const std::string& message) const {
    throw ConfigError(place_.origin, message + " in '" + place_.text + "'");
  }

  // One quoted part, one escaped character, one substitution or one character.
  std::string fragment() {
    if (sees("$(")) return substitution();
    const char c = take();
    if (c == '\'' || c == '"') return quoted(c);
    if (c == '\\' && !done()) return std::string(1, take());
    return std::string(1, c);
  }

  // Substitutions work in both kinds of quotes, as in ROS 2; escapes only in double quotes, as in a shell.
  std::string quoted(char quote) {
    std::string out;
    while (!done()) {
      if (sees("$(")) {
        out += substitution();
        continue;
      }
      const char c = take();
      if (c == quote) return out;
      const bool escape = quote == '"' && c == '\\' && !done() && (sees("\"") || sees("\\") || sees("$"));
      out += escape ? take() : c;
    }
    fail(std::string("the quote ") + quote + " is not closed");
  }

  std::string substitution() {
    // Deep nesting is never meant, and recursion on a hostile file must not end in a stack overflow.
    if (++depth_ > 64) fail("substitutions are nested more than 64 deep");
    at_ += 2;
    std::string name;
    while (!done() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || sees("-") || sees("_"))) name += take();
    if (name.empty()) fail("'$(' is not followed by the name of a substitution; write '\\$(' for the characters");
    std::vector<std::string> arguments;
    if (name == "eval") arguments.push_back(expression());
    while (!done() && !sees(")")) {
      if (is_space()) {
        ++at_;
        continue;
      }
      std::string argument;
      while (!done() && !is_space() && !sees(")")) argument += fragment();
      arguments.push_back(std::move(argument));
    }
    if (done()) fail("'$(" + name + "' is not closed");
    ++at_;
    --depth_;
    return call_substitution(name, Call{place_, scope_, arguments});
  }

  // What belongs to $(eval ...): parentheses and quotes are its own. A value in its quotes cannot end them.
  std::string expression() {
    const std::string_view whole = text_;
    const std::size_t length = whole_quote();
    if (length != 0) {
      // ROS 2 writes the expression as one quoted argument.
      text_ = whole.substr(0, at_ + length - 1);
      ++at_;
    }
    std::string out;
    char quote = '\0';
    int open = 0;
    while (!done() && !(quote == '\0' && open == 0 && length == 0 && sees(")"))) {
      if (sees("$(")) {
        for (const char c : substitution()) {
          if (quote != '\0' && (c == quote || c == '\\')) out += '\\';
          out += c;
        }
        continue;
      }
      char c = take();
      const bool escape = c == '\\' && !done();
      if (escape && length != 0) c = take();
      if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == quote) {
        quote = '\0';
      }
      if (quote == '\0' && c == '(') ++open;
      if (quote == '\0' && c == ')') --open;
      out += c;
      if (escape && length == 0) out += take();
    }
    if (length != 0) {
      text_ = whole;
      ++at_;
    }
    return out;
  }

  // The length of the quoted text here, quotes included, if it is all up to the end of the substitution; otherwise 0.
  std::size_t whole_quote() {
    while (!done() && is_space()) ++at_;
    if (done() || (!sees("'") && !sees("\""))) return 0;
    std::size_t end = at_ + 1;
    for (int depth = 0; end < text_.size() && (depth != 0 || text_[end] != text_[at_]); ++end) {
      if (text_[end] == '\\') ++end;
      if (text_.substr(std::min(end, text_.size()), 2) == "$(") ++depth;
      if (depth != 0 && end < text_.size() && text_[end] == ')') --depth;
    }
    const std::size_t next = text_.find_first_not_of(" \t\n", std::min(end + 1, text_.size()));
    return next != std::string_view::npos && text_[next] == ')' ? end + 1 - at_ : 0;
  }

  const Text& place_;
  std::string_view text_;
  const Scope& scope_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string expand(const Text& text, const Scope& scope) { return Expander(text, scope).value(); }

std::vector<std::string> expand_words(const Text& text, const Scope& scope) { return Expander(text, scope).words(); }

bool expand_bool(const Text& text, const Scope& scope, std::string_view what) {
  const std::string value = expand(text, scope);
  if (const auto truth = truth_of(value)) return *truth;
  throw ConfigError(text.origin, std::string(what) + " must be true, 1, false or 0, not '" + value + "'");
}

std::string shell_quoted(std::string_view word) {
  const auto plain = [](char c) {
    constexpr std::string_view kHarmless = "_-./:=,@%+";
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kHarmless.find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return std::string(word);
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace sluice::launch
