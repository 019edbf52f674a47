#include "substitution.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>

#include <sluice/error.hpp>

namespace sluice::launch {

namespace {

struct Call {
  const Text& place;
  const Scope& scope;
  const std::vector<std::string>& arguments;

  [[noreturn]] void fail(const std::string& message) const { throw ConfigError(place.origin, message); }
};

std::string variable_value(const Call& call) {
  const std::string& name = call.arguments[0];
  if (const std::string* value = call.scope.variable(name)) return *value;
  if (call.arguments.size() > 1) return call.arguments[1];
  call.fail("undefined variable '" + name + "'" + did_you_mean(name, call.scope.variable_names()));
}

std::string environment_value(const Call& call) {
  const std::string& name = call.arguments[0];
  if (const auto value = call.scope.environment(name)) return *value;
  if (call.arguments.size() > 1) return call.arguments[1];
  call.fail("environment variable '" + name + "' is not set; set it or write $(env " + name + " DEFAULT)");
}

struct Definition {
  std::size_t least_arguments;
  std::size_t most_arguments;
  const char* usage;
  std::string (*evaluate)(const Call&);
};

const std::map<std::string, Definition>& definitions() {
  static const std::map<std::string, Definition> table{
      {"var", {1, 2, "$(var NAME [DEFAULT])", variable_value}},
      {"env", {1, 2, "$(env NAME [DEFAULT])", environment_value}},
      {"dirname", {0, 0, "$(dirname)", [](const Call& call) { return call.scope.directory(); }}},
  };
  return table;
}

std::string evaluate(const std::string& name, const Call& call) {
  const auto found = definitions().find(name);
  if (found == definitions().end()) {
    std::vector<std::string> known;
    std::string list;
    for (const auto& [word, definition] : definitions()) {
      known.push_back(word);
      list += (list.empty() ? "" : ", ") + word;
    }
    const std::string hint = did_you_mean(name, known);
    call.fail("unknown substitution '" + name + "'" + (hint.empty() ? "; known are " + list : hint));
  }
  const Definition& definition = found->second;
  const std::size_t count = call.arguments.size();
  if (count < definition.least_arguments || count > definition.most_arguments) {
    call.fail("wrong number of arguments for $(" + name + "): " + std::to_string(count) + " given, it is written " +
              definition.usage + "; a value with spaces needs quotes");
  }
  return definition.evaluate(call);
}

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
    return evaluate(name, Call{place_, scope_, arguments});
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
  std::string word;
  for (const char c : value) word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto first = word.find_first_not_of(" \t\n");
  word = first == std::string::npos ? "" : word.substr(first, word.find_last_not_of(" \t\n") - first + 1);
  if (word == "true" || word == "1") return true;
  if (word == "false" || word == "0") return false;
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
