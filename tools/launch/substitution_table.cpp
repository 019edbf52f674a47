#include "substitution_table.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <system_error>

#include <sluice/error.hpp>

#include "expression.hpp"

namespace sluice::launch {

namespace {

constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

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

std::string package_share(const Call& call) {
  namespace fs = std::filesystem;
  const std::string& package = call.arguments[0];
  const fs::path& share = call.scope.places().share;
  std::error_code ignored;
  std::vector<std::string> packages;
  for (const auto& entry : fs::directory_iterator(share, ignored)) {
    if (entry.is_directory(ignored)) packages.push_back(entry.path().filename().string());
  }
  // Not the path that the name would give: `..` is a directory too.
  if (std::find(packages.begin(), packages.end(), package) != packages.end()) return (share / package).string();
  call.fail("there is no package '" + package + "': looked for the directory '" + (share / package).string() + "'" +
            did_you_mean(package, packages));
}

std::string evaluated(const Call& call) {
  try {
    return evaluate_expression(call.arguments[0]);
  } catch (const Error& error) {
    call.fail(std::string("$(eval): ") + error.what());
  }
}

bool truth(const Call& call, const std::string& argument, const char* usage) {
  if (const auto truth = truth_of(argument)) return *truth;
  call.fail(std::string(usage) + " needs true, 1, false or 0, not '" + argument + "'");
}

std::string word(bool truth) { return truth ? "true" : "false"; }

std::optional<double> number_of(const std::string& text) {
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (stop != text.data() + text.size() || error != std::errc{}) return std::nullopt;
  return number;
}

// As in ROS 2: first as truth values, then as numbers, then letter by letter.
bool equal(const std::string& left, const std::string& right) {
  const auto first = truth_of(left);
  const auto second = truth_of(right);
  if (first && second) return *first == *second;
  const auto one = number_of(left);
  const auto two = number_of(right);
  if (!one || !two) return left == right;
  return *one == *two || std::fabs(*one - *two) <= 1e-9 * std::max(std::fabs(*one), std::fabs(*two));
}

std::string all_of(const Call& call) {
  bool all = true;
  for (const std::string& argument : call.arguments) all = truth(call, argument, "$(and)") && all;
  return word(all);
}

std::string any_of(const Call& call) {
  bool any = false;
  for (const std::string& argument : call.arguments) any = truth(call, argument, "$(or)") || any;
  return word(any);
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
      {"dirname", {0, 0, "$(dirname)", [](const Call& call) { return call.scope.places().directory; }}},
      {"filename", {0, 0, "$(filename)", [](const Call& call) { return call.scope.places().file; }}},
      {"find-pkg-share", {1, 1, "$(find-pkg-share PACKAGE)", package_share}},
      {"eval", {1, 1, "$(eval EXPRESSION)", evaluated}},
      {"equals",
       {2, 2, "$(equals A B)", [](const Call& call) { return word(equal(call.arguments[0], call.arguments[1])); }}},
      {"not-equals",
       {2, 2, "$(not-equals A B)",
        [](const Call& call) { return word(!equal(call.arguments[0], call.arguments[1])); }}},
      {"not", {1, 1, "$(not A)", [](const Call& call) { return word(!truth(call, call.arguments[0], "$(not)")); }}},
      {"and", {2, kAnyNumber, "$(and A B ...)", all_of}},
      {"or", {2, kAnyNumber, "$(or A B ...)", any_of}},
  };
  return table;
}

}  // namespace

std::string call_substitution(const std::string& name, const Call& call) {
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

std::optional<bool> truth_of(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return std::nullopt;
  std::string word(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (word == "true" || word == "1") return true;
  if (word == "false" || word == "0") return false;
  return std::nullopt;
}

}  // namespace sluice::launch
