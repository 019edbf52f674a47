#pragma once

#include <string>
#include <vector>

#include "description.hpp"
#include "plan.hpp"

namespace sluice::launch {

/// Carries out the actions in order, as far as that needs no process, and returns what is left to do. `assignments` are
/// "name:=value"; `own_directory` is searched first for programs. Throws Error; ConfigError where a place is known.
[[nodiscard]] Plan resolve(const Description& description, const std::vector<std::string>& assignments,
                           const std::string& own_directory);

}  // namespace sluice::launch
