#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scope.hpp"

namespace sluice::launch {

/// One `$(name argument ...)`, its arguments expanded.
struct Call {
  const Text& place;
  const Scope& scope;
  const std::vector<std::string>& arguments;

  [[noreturn]] void fail(const std::string& message) const { throw ConfigError(place.origin, message); }
};

/// The value of the substitution `name`. Throws ConfigError at the place of the call.
[[nodiscard]] std::string call_substitution(const std::string& name, const Call& call);

/// true, 1, false or 0, in any case and with spaces around.
[[nodiscard]] std::optional<bool> truth_of(std::string_view text);

}  // namespace sluice::launch
