#include "process_planner.hpp"

#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <variant>

#include <sluice/detail/parameter_file.hpp>
#include <sluice/error.hpp>

#include "inclusion.hpp"
#include "program_search.hpp"
#include "substitution.hpp"
#include "values.hpp"

namespace sluice::launch {

namespace {

namespace fs = std::filesystem;

std::string readable_file(const Text& file, const Scope& scope, const std::string& kind) {
  std::string path = path_of(file, scope);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    throw ConfigError(file.origin, "there is no " + kind + " file '" + path + "'");
  }
  if (::access(path.c_str(), R_OK) != 0) throw ConfigError(file.origin, kind + " file '" + path + "' cannot be read");
  return path;
}

/// Builds one process.
class Planner {
 public:
  Planner(const ProcessSettings& settings, const Scope& scope, std::string kind)
      : settings_(settings), scope_(scope), kind_(std::move(kind)) {}

  PlannedProcess process(const Text& program, std::size_t number, const std::string& own_directory) const {
    PlannedProcess process;
    const std::string name =
        settings_.name ? expand(*settings_.name, scope_) : fs::path(program.text).filename().string();
    if (name.empty()) throw ConfigError(settings_.name->origin, "'name' of " + kind_ + " must not be empty");
    process.label = name + "-" + std::to_string(number);
    set_environment(process);
    if (settings_.after_timeout) {
      process.after_timeout = expand_seconds(*settings_.after_timeout, scope_, "'after_timeout' of " + kind_);
    }
    process.required = ends_the_launch();
    process.respawn = respawn();
    if (process.required && process.respawn) {
      throw ConfigError(settings_.respawn->origin, "'respawn' of " + kind_ + " '" + process.label + "' and '" +
                                                       (settings_.on_exit ? "on_exit: shutdown" : "required") +
                                                       "' contradict each other: the launch ends when it ends");
    }
    if (settings_.directory) process.directory = directory(*settings_.directory);
    if (settings_.output) check_output(*settings_.output);
    process.program = find_program(program.text, {scope_.places().directory, own_directory, search_path(process)},
                                   program.origin, kind_ + " '" + process.label + "'");
    return process;
  }

  [[nodiscard]] std::vector<std::string> words(const Words& given) const {
    if (given.split) return expand_words(given.texts.front(), scope_);
    std::vector<std::string> out;
    for (const Text& text : given.texts) out.push_back(expand(text, scope_));
    return out;
  }

  void append_arguments(PlannedProcess& process) const {
    for (std::string& word : words(settings_.arguments)) process.arguments.push_back(std::move(word));
  }

  [[nodiscard]] std::string full_name(const std::string& name_space) const {
    return settings_.name ? name_space + "/" + expand(*settings_.name, scope_) : "";
  }

 private:
  void set_environment(PlannedProcess& process) const {
    for (const auto& [name, value] : scope_.environment_changes()) {
      if (value) {
        process.environment[name] = *value;
      } else {
        process.without_environment.insert(name);
      }
    }
    for (const Pair& pair : settings_.environment) {
      const std::string name = environment_name(pair.left, scope_);
      process.environment[name] = expand(pair.right, scope_);
      process.without_environment.erase(name);
    }
  }

  [[nodiscard]] std::string search_path(const PlannedProcess& process) const {
    const auto changed = process.environment.find("PATH");
    if (changed != process.environment.end()) return changed->second;
    return scope_.environment("PATH").value_or("/usr/bin:/bin");
  }

  [[nodiscard]] std::string directory(const Text& text) const {
    std::string path = path_of(text, scope_);
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
      throw ConfigError(text.origin, "'cwd' of " + kind_ + ": there is no directory '" + path + "'");
    }
    return path;
  }

  // `on_exit: shutdown` is ROS 2's word for it.
  [[nodiscard]] bool ends_the_launch() const {
    const bool required = settings_.required && expand_bool(*settings_.required, scope_, "'required' of " + kind_);
    if (!settings_.on_exit) return required;
    const std::string word = expand(*settings_.on_exit, scope_);
    if (word == "shutdown") return true;
    throw ConfigError(settings_.on_exit->origin, "'on_exit' of " + kind_ + " must be shutdown, not '" + word + "'");
  }

  [[nodiscard]] std::optional<Respawn> respawn() const {
    const bool wanted = settings_.respawn && expand_bool(*settings_.respawn, scope_, "'respawn' of " + kind_);
    for (const auto& [key, text] : {std::pair{"respawn_delay", &settings_.respawn_delay},
                                    {"max_respawns", &settings_.max_respawns},
                                    {"respawn_window", &settings_.respawn_window}}) {
      if (!settings_.respawn && *text) {
        throw ConfigError((*text)->origin, std::string("'") + key + "' of " + kind_ + " needs 'respawn: true'");
      }
    }
    if (!wanted) return std::nullopt;
    Respawn respawn;
    const auto label = [&](const char* key) { return std::string("'") + key + "' of " + kind_; };
    if (settings_.respawn_delay) {
      respawn.delay = expand_seconds(*settings_.respawn_delay, scope_, label("respawn_delay"));
    }
    if (settings_.max_respawns) respawn.most = expand_count(*settings_.max_respawns, scope_, label("max_respawns"));
    if (settings_.respawn_window) {
      respawn.window = expand_seconds(*settings_.respawn_window, scope_, label("respawn_window"));
    }
    return respawn;
  }

  void check_output(const Text& text) const {
    const std::string output = expand(text, scope_);
    if (output == "screen") return;
    throw ConfigError(text.origin, "'output' must be 'screen', not '" + output + "'; log files are not written yet");
  }

  const ProcessSettings& settings_;
  const Scope& scope_;
  std::string kind_;
};

/// The options of a node, in the order in which they are given to it.
class OptionList {
 public:
  explicit OptionList(std::vector<std::string>& arguments) : arguments_(arguments) {}

  void add(const char* option, std::string value) {
    arguments_.emplace_back(option);
    arguments_.push_back(std::move(value));
  }
  void add(const char* option, const std::vector<std::string>& values) {
    for (const std::string& value : values) add(option, value);
  }

 private:
  std::vector<std::string>& arguments_;
};

void add_file_parameters(OptionList& options, const Text& file, const NodeAction& node, const std::string& full_name,
                         const Scope& scope) {
  if (!node.process.name) {
    throw ConfigError(file.origin,
                      "'from' of an item of 'param' needs the 'name' of the node: the file has values by name");
  }
  const std::string path = readable_file(file, scope, "parameter");
  try {
    for (const auto& [name, value] : detail::load_parameter_file(path, full_name)) {
      options.add("--param", name + ":=" + value.text);
    }
  } catch (const ConfigError& error) {
    throw with_remark(error, "; named by 'param' at " + file.origin.text());
  }
}

}  // namespace

std::string joined_namespace(const std::string& base, const std::string& text) {
  const auto first = text.find_first_not_of('/');
  if (first == std::string::npos) return text.empty() ? base : "";
  const std::string tail = '/' + text.substr(first, text.find_last_not_of('/') - first + 1);
  return text.front() == '/' ? tail : base + tail;
}

std::string path_of(const Text& text, const Scope& scope) {
  return (fs::path(scope.places().directory) / expand(text, scope)).lexically_normal().string();
}

std::string environment_name(const Text& text, const Scope& scope) {
  std::string name = expand(text, scope);
  if (name.empty() || name.find('=') != std::string::npos) {
    throw ConfigError(text.origin, "'" + name + "' cannot name an environment variable");
  }
  return name;
}

std::string assignment(const Pair& pair, const Scope& scope) {
  return expand(pair.left, scope) + ":=" + expand(pair.right, scope);
}

std::vector<std::string> config_options(const std::vector<Text>& files, const Scope& scope) {
  std::vector<std::string> options;
  for (const Text& file : files) OptionList(options).add("--config", readable_file(file, scope, "configuration"));
  return options;
}

PlannedNode plan_node(const NodeAction& action, const Scope& scope, std::size_t number,
                      const std::string& own_directory) {
  const Planner planner(action.process, scope, "node");
  PlannedNode node{};
  node.process = planner.process({expand(action.executable, scope), action.executable.origin}, number, own_directory);
  node.process.is_node = true;
  OptionList options(node.process.arguments);
  if (action.process.name) options.add("--name", expand(*action.process.name, scope));
  const std::string given = action.name_space ? expand(*action.name_space, scope) : "";
  const std::string name_space = joined_namespace(scope.name_space(), given);
  if (!name_space.empty()) options.add("--ns", name_space);
  node.full_name = planner.full_name(name_space);
  node.wants_config = !action.config_files;
  node.config_at = node.process.arguments.size();
  if (action.config_files) {
    for (std::string& word : config_options(*action.config_files, scope)) {
      node.process.arguments.push_back(std::move(word));
    }
  }
  options.add("--remap", scope.remaps());
  for (const Pair& pair : action.remaps) options.add("--remap", assignment(pair, scope));
  options.add("--param", scope.parameters());
  for (const auto& parameter : action.parameters) {
    if (const auto* file = std::get_if<ParameterFile>(&parameter)) {
      add_file_parameters(options, file->file, action, node.full_name, scope);
    } else {
      options.add("--param", assignment(std::get<Pair>(parameter), scope));
    }
  }
  planner.append_arguments(node.process);
  return node;
}

PlannedNode plan_executable(const ExecutableAction& action, const Origin& origin, const Scope& scope,
                            std::size_t number, const std::string& own_directory) {
  const Planner planner(action.process, scope, "executable");
  const std::vector<std::string> command = planner.words(action.command);
  const Origin& place = action.command.texts.empty() ? origin : action.command.texts.front().origin;
  if (command.empty()) throw ConfigError(place, "'cmd' of executable is empty");
  PlannedNode executable{};
  executable.process = planner.process({command.front(), place}, number, own_directory);
  executable.process.arguments.assign(command.begin() + 1, command.end());
  planner.append_arguments(executable.process);
  executable.full_name = planner.full_name("");
  return executable;
}

}  // namespace sluice::launch
