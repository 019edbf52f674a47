#pragma once

#include <map>
#include <string>
#include <vector>

#include "description.hpp"
#include "scope.hpp"

namespace sluice::launch {

/// The values that a file was given for its arguments, by name, each with the place that gave it.
using GivenArguments = std::map<std::string, Text>;

/// The arguments that a file declares, also in its groups and timers, in order.
[[nodiscard]] std::vector<const ArgAction*> arguments_of(const Description& description);

/// What "name:=value" on the command line gives to a file. The last one wins. Throws ConfigError.
[[nodiscard]] GivenArguments parse_assignments(const Description& description,
                                               const std::vector<std::string>& assignments);

/// Throws ConfigError at the place of `name` if the file does not declare it.
void require_declared(const Description& description, const Text& name);

/// Throws ConfigError at the place of `value` if it is none of the choices of the argument.
void require_choice(const ArgAction& argument, const Text& value, const Scope& scope);

/// What `--show-args` prints.
[[nodiscard]] std::string describe_arguments(const Description& description);

}  // namespace sluice::launch
