#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "description.hpp"
#include "plan.hpp"
#include "scope.hpp"

namespace sluice::launch {

/// "robot", "/robot" and "/robot/" are one namespace, below `base` unless there is a '/' in front; the root is empty.
[[nodiscard]] std::string joined_namespace(const std::string& base, const std::string& text);

/// `text` after expansion as a path; a relative one is one from the directory of the launch file.
[[nodiscard]] std::string path_of(const Text& text, const Scope& scope);

/// The name of an environment variable, expanded. Throws ConfigError if it cannot be one.
[[nodiscard]] std::string environment_name(const Text& text, const Scope& scope);

/// "LEFT:=RIGHT", expanded.
[[nodiscard]] std::string assignment(const Pair& pair, const Scope& scope);

/// "--config FILE" for each file. Throws ConfigError if one cannot be read.
[[nodiscard]] std::vector<std::string> config_options(const std::vector<Text>& files, const Scope& scope);

/// A process as far as one action and what it can see decide it.
struct PlannedNode {
  PlannedProcess process;
  std::string full_name;  ///< Empty unless the file names the process.
  std::size_t config_at;  ///< Where the default configuration goes in its arguments.
  bool wants_config;      ///< Whether it does.
};

/// `number` is the place of the process in the launch; `own_directory` is searched first for programs. All throw
/// ConfigError.
[[nodiscard]] PlannedNode plan_node(const NodeAction& action, const Scope& scope, std::size_t number,
                                    const std::string& own_directory);
[[nodiscard]] PlannedNode plan_executable(const ExecutableAction& action, const Origin& origin, const Scope& scope,
                                          std::size_t number, const std::string& own_directory);

}  // namespace sluice::launch
