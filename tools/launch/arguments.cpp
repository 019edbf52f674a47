#include "arguments.hpp"

#include <algorithm>
#include <variant>

#include <sluice/error.hpp>

#include "substitution.hpp"

namespace sluice::launch {

namespace {

void collect(const std::vector<Action>& actions, std::vector<const ArgAction*>& arguments) {
  for (const Action& action : actions) {
    if (const auto* argument = std::get_if<ArgAction>(&action.what)) arguments.push_back(argument);
    if (const auto* group = std::get_if<GroupAction>(&action.what)) collect(group->children, arguments);
    if (const auto* timer = std::get_if<TimerAction>(&action.what)) collect(timer->children, arguments);
  }
}

std::string listed(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "'" : ", '") + word + "'";
  return list;
}

}  // namespace

std::vector<const ArgAction*> arguments_of(const Description& description) {
  std::vector<const ArgAction*> arguments;
  collect(description.actions, arguments);
  return arguments;
}

GivenArguments parse_assignments(const Description& description, const std::vector<std::string>& assignments) {
  const Origin place{"command line"};
  GivenArguments given;
  for (const std::string& assignment : assignments) {
    const auto sign = assignment.find(":=");
    if (sign == std::string::npos || sign == 0) {
      throw ConfigError(place, "'" + assignment + "' is not an argument; write NAME:=VALUE");
    }
    const std::string name = assignment.substr(0, sign);
    require_declared(description, {name, place});
    given[name] = {assignment.substr(sign + 2), place};
  }
  return given;
}

void require_declared(const Description& description, const Text& name) {
  std::vector<std::string> declared;
  for (const ArgAction* argument : arguments_of(description)) declared.push_back(argument->name.text);
  if (std::find(declared.begin(), declared.end(), name.text) != declared.end()) return;
  const std::string hint = declared.empty() ? "; it declares none" : did_you_mean(name.text, declared);
  throw ConfigError(name.origin, "'" + description.file + "' declares no argument '" + name.text + "'" + hint);
}

void require_choice(const ArgAction& argument, const Text& value, const Scope& scope) {
  std::vector<std::string> choices;
  for (const Text& choice : argument.choices) choices.push_back(expand(choice, scope));
  if (choices.empty() || std::find(choices.begin(), choices.end(), value.text) != choices.end()) return;
  throw ConfigError(value.origin, "argument '" + argument.name.text + "' cannot be '" + value.text +
                                      "'; its choices are " + listed(choices));
}

std::string describe_arguments(const Description& description) {
  const auto arguments = arguments_of(description);
  if (arguments.empty()) return "No arguments.\n";
  std::string out = "Arguments (pass them as NAME:=VALUE):\n";
  for (const ArgAction* argument : arguments) {
    out += "\n    '" + argument->name.text + "':\n        ";
    out += argument->description.empty() ? "no description given" : argument->description;
    std::vector<std::string> choices;
    for (const Text& choice : argument->choices) choices.push_back(choice.text);
    if (!choices.empty()) out += "\n        Valid choices are: [" + listed(choices) + "]";
    out += argument->default_value ? "\n        (default: '" + argument->default_value->text + "')\n"
                                   : "\n        (no default)\n";
  }
  return out;
}

}  // namespace sluice::launch
