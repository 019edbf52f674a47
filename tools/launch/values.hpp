#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "scope.hpp"

namespace sluice::launch {

/// A duration after expansion, with a unit. `what` names the setting in the error. Throws ConfigError.
[[nodiscard]] std::chrono::nanoseconds expand_duration(const Text& text, const Scope& scope, const std::string& what);

/// As expand_duration; ROS 2 writes seconds without a unit, as in `2.0`.
[[nodiscard]] std::chrono::nanoseconds expand_seconds(const Text& text, const Scope& scope, const std::string& what);

/// A whole number of at least 0 after expansion. Throws ConfigError.
[[nodiscard]] std::size_t expand_count(const Text& text, const Scope& scope, const std::string& what);

}  // namespace sluice::launch
