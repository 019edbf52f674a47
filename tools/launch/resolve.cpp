#include "resolve.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>
#include <utility>

#include <sluice/error.hpp>
#include <sluice/units.hpp>

#include "program_search.hpp"
#include "substitution.hpp"

namespace sluice::launch {

namespace {

namespace fs = std::filesystem;

std::vector<const ArgAction*> arguments_of(const Description& description) {
  std::vector<const ArgAction*> arguments;
  for (const Action& action : description.actions) {
    if (const auto* argument = std::get_if<ArgAction>(&action.what)) arguments.push_back(argument);
  }
  return arguments;
}

// "robot", "/robot" and "/robot/" are one namespace; the root is empty.
std::string absolute_namespace(const std::string& text) {
  const auto first = text.find_first_not_of('/');
  if (first == std::string::npos) return {};
  return '/' + text.substr(first, text.find_last_not_of('/') - first + 1);
}

std::map<std::string, std::string> parse_assignments(const Description& description,
                                                     const std::vector<std::string>& assignments) {
  std::vector<std::string> declared;
  for (const ArgAction* argument : arguments_of(description)) declared.push_back(argument->name.text);
  std::map<std::string, std::string> values;
  for (const std::string& assignment : assignments) {
    const auto sign = assignment.find(":=");
    if (sign == std::string::npos || sign == 0) {
      throw ConfigError({"command line"}, "'" + assignment + "' is not an argument; write NAME:=VALUE");
    }
    const std::string name = assignment.substr(0, sign);
    if (std::find(declared.begin(), declared.end(), name) == declared.end()) {
      const std::string hint = declared.empty() ? "; it declares none" : did_you_mean(name, declared);
      throw ConfigError({"command line"}, "'" + description.file + "' declares no argument '" + name + "'" + hint);
    }
    values[name] = assignment.substr(sign + 2);
  }
  return values;
}

/// Carries out one description.
class Resolver {
 public:
  Resolver(const Description& description, const std::vector<std::string>& assignments, std::string own_directory)
      : description_(description),
        assignments_(parse_assignments(description, assignments)),
        own_directory_(std::move(own_directory)),
        scope_(description.directory) {}

  Plan run() {
    plan_.file = description_.file;
    for (const Action& action : description_.actions) {
      if (!wanted(action)) continue;
      std::visit([&](const auto& what) { carry_out(what, action.origin); }, action.what);
    }
    // Root keys may stand before `launch:` in the file and still use its variables, so they come last.
    if (description_.run_for) plan_.run_for = duration(*description_.run_for, "'for'");
    if (description_.sigterm_after) plan_.sigterm_after = duration(*description_.sigterm_after, "'sigterm_after'");
    if (description_.sigkill_after) plan_.sigkill_after = duration(*description_.sigkill_after, "'sigkill_after'");
    const std::vector<std::string> defaults = config_options(description_.config_files);
    for (const Pending& pending : pending_config_) {
      auto& arguments = std::get<PlannedProcess>(plan_.steps[pending.step]).arguments;
      arguments.insert(arguments.begin() + pending.position, defaults.begin(), defaults.end());
    }
    return std::move(plan_);
  }

 private:
  /// Where the default configuration goes, once it is known.
  struct Pending {
    std::size_t step;
    std::ptrdiff_t position;
  };

  [[nodiscard]] bool wanted(const Action& action) const {
    if (!action.condition) return true;
    const Condition& condition = *action.condition;
    return expand_bool(condition.value, scope_, condition.wanted ? "'if'" : "'unless'") == condition.wanted;
  }

  void carry_out(const ArgAction& action, const Origin& origin) {
    const std::string& name = action.name.text;
    if (const auto [earlier, fresh] = declared_.emplace(name, origin); !fresh) {
      throw ConfigError(origin, "argument '" + name + "' is declared twice; first at " + earlier->second.text());
    }
    if (const auto given = assignments_.find(name); given != assignments_.end()) {
      scope_.set_variable(name, given->second);
    } else if (action.default_value) {
      scope_.set_variable(name, expand(*action.default_value, scope_));
    } else {
      throw ConfigError(origin, "argument '" + name + "' has no default; give it as " + name + ":=VALUE");
    }
  }

  void carry_out(const LetAction& action, const Origin&) {
    scope_.set_variable(action.name.text, expand(action.value, scope_));
  }

  void carry_out(const SetEnvAction& action, const Origin&) {
    const std::string name = environment_name(action.name);
    scope_.set_environment(name, expand(action.value, scope_));
  }

  void carry_out(const LogAction& action, const Origin&) {
    plan_.steps.emplace_back(PlannedLog{expand(action.message, scope_)});
  }

  void carry_out(const NodeAction& action, const Origin& origin) {
    const std::string program = expand(action.executable, scope_);
    PlannedProcess process = planned(action.process, program, "node");
    process.program = find(program, process, action.executable.origin, "node");
    std::string name_space;
    if (action.process.name) append(process, "--name", expand(*action.process.name, scope_));
    if (action.name_space) {
      name_space = absolute_namespace(expand(*action.name_space, scope_));
      if (!name_space.empty()) append(process, "--ns", name_space);
    }
    if (action.config_files) {
      const auto options = config_options(*action.config_files);
      process.arguments.insert(process.arguments.end(), options.begin(), options.end());
    } else {
      pending_config_.push_back({plan_.steps.size(), std::ssize(process.arguments)});
    }
    for (const Pair& pair : action.remaps) append(process, "--remap", assignment(pair));
    for (const Pair& pair : action.parameters) append(process, "--param", assignment(pair));
    append_words(process, action.process.arguments);
    claim_name(action.process, name_space, origin);
    plan_.steps.emplace_back(std::move(process));
  }

  void carry_out(const ExecutableAction& action, const Origin& origin) {
    const std::vector<std::string> command = words(action.command);
    const Origin& place = action.command.texts.empty() ? origin : action.command.texts.front().origin;
    if (command.empty()) throw ConfigError(place, "'cmd' of executable is empty");
    PlannedProcess process = planned(action.process, command.front(), "executable");
    process.program = find(command.front(), process, place, "executable");
    process.arguments.assign(command.begin() + 1, command.end());
    append_words(process, action.process.arguments);
    claim_name(action.process, "", origin);
    plan_.steps.emplace_back(std::move(process));
  }

  PlannedProcess planned(const ProcessSettings& settings, const std::string& program, const std::string& kind) {
    PlannedProcess process;
    std::string name = settings.name ? expand(*settings.name, scope_) : fs::path(program).filename().string();
    if (name.empty()) throw ConfigError(settings.name->origin, "'name' of " + kind + " must not be empty");
    process.label = name + "-" + std::to_string(plan_.process_count() + 1);
    process.environment = scope_.environment_changes();
    for (const Pair& pair : settings.environment) {
      process.environment[environment_name(pair.left)] = expand(pair.right, scope_);
    }
    if (settings.required) process.required = expand_bool(*settings.required, scope_, "'required' of " + kind);
    if (settings.directory) process.directory = directory(*settings.directory, kind);
    if (settings.output) check_output(*settings.output);
    return process;
  }

  [[nodiscard]] std::string find(const std::string& program, const PlannedProcess& process, const Origin& origin,
                                 const std::string& kind) const {
    const auto changed = process.environment.find("PATH");
    const std::string path =
        changed != process.environment.end() ? changed->second : scope_.environment("PATH").value_or("/usr/bin:/bin");
    const std::string who = kind + " '" + process.label + "'";
    return find_program(program, {description_.directory, own_directory_, path}, origin, who);
  }

  // Two processes with one name would be one node to everybody else.
  void claim_name(const ProcessSettings& settings, const std::string& name_space, const Origin& origin) {
    if (!settings.name) return;
    const std::string full = name_space + "/" + expand(*settings.name, scope_);
    if (const auto [earlier, fresh] = names_.emplace(full, origin); !fresh) {
      throw ConfigError(settings.name->origin, "the process name '" + full + "' is taken by the one at " +
                                                   earlier->second.text() + "; names must differ");
    }
  }

  [[nodiscard]] std::string environment_name(const Text& text) const {
    std::string name = expand(text, scope_);
    if (name.empty() || name.find('=') != std::string::npos) {
      throw ConfigError(text.origin, "'" + name + "' cannot name an environment variable");
    }
    return name;
  }

  static void append(PlannedProcess& process, const char* option, std::string value) {
    process.arguments.emplace_back(option);
    process.arguments.push_back(std::move(value));
  }

  void append_words(PlannedProcess& process, const Words& given) const {
    for (std::string& word : words(given)) process.arguments.push_back(std::move(word));
  }

  [[nodiscard]] std::string assignment(const Pair& pair) const {
    return expand(pair.left, scope_) + ":=" + expand(pair.right, scope_);
  }

  [[nodiscard]] std::vector<std::string> words(const Words& given) const {
    if (given.split) return expand_words(given.texts.front(), scope_);
    std::vector<std::string> out;
    for (const Text& text : given.texts) out.push_back(expand(text, scope_));
    return out;
  }

  [[nodiscard]] std::string path_of(const Text& text) const {
    return (fs::path(description_.directory) / expand(text, scope_)).lexically_normal().string();
  }

  [[nodiscard]] std::vector<std::string> config_options(const std::vector<Text>& files) const {
    std::vector<std::string> options;
    for (const Text& file : files) {
      std::string path = path_of(file);
      std::error_code ignored;
      if (!fs::is_regular_file(path, ignored)) {
        throw ConfigError(file.origin, "there is no configuration file '" + path + "'");
      }
      if (::access(path.c_str(), R_OK) != 0) {
        throw ConfigError(file.origin, "configuration file '" + path + "' cannot be read");
      }
      options.emplace_back("--config");
      options.push_back(std::move(path));
    }
    return options;
  }

  [[nodiscard]] std::string directory(const Text& text, const std::string& kind) const {
    std::string path = path_of(text);
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      throw ConfigError(text.origin, "'cwd' of " + kind + ": there is no directory '" + path + "'");
    }
    return path;
  }

  void check_output(const Text& text) const {
    const std::string output = expand(text, scope_);
    if (output == "screen") return;
    throw ConfigError(text.origin, "'output' must be 'screen', not '" + output + "'; log files are not written yet");
  }

  [[nodiscard]] std::chrono::nanoseconds duration(const Text& text, const std::string& what) const {
    try {
      return parse_duration(expand(text, scope_));
    } catch (const ConfigError&) {
      throw;
    } catch (const Error& error) {
      throw ConfigError(text.origin, what + ": " + error.what());
    }
  }

  const Description& description_;
  std::map<std::string, std::string> assignments_;
  std::string own_directory_;
  Scope scope_;
  std::map<std::string, Origin> declared_;
  std::map<std::string, Origin> names_;
  std::vector<Pending> pending_config_;
  Plan plan_;
};

}  // namespace

Plan resolve(const Description& description, const std::vector<std::string>& assignments,
             const std::string& own_directory) {
  return Resolver(description, assignments, own_directory).run();
}

std::string describe_arguments(const Description& description) {
  const auto arguments = arguments_of(description);
  if (arguments.empty()) return "No arguments.\n";
  std::string out = "Arguments (pass them as NAME:=VALUE):\n";
  for (const ArgAction* argument : arguments) {
    out += "\n    '" + argument->name.text + "':\n        ";
    out += (argument->description.empty() ? "no description given" : argument->description) + "\n        ";
    out += argument->default_value ? "(default: '" + argument->default_value->text + "')\n" : "(no default)\n";
  }
  return out;
}

}  // namespace sluice::launch
