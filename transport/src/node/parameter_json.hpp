#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <sluice/parameter.hpp>

namespace sluice::detail {

[[nodiscard]] nlohmann::json to_json(const ParameterValue& value);

/// The value of `like`'s type that `value` means; a text stands for what it says, as after --param.
[[nodiscard]] std::optional<ParameterValue> from_json(const ParameterValue& like, const nlohmann::json& value);

/// Name, type, value, description, constraints.
[[nodiscard]] nlohmann::json to_json(const ParameterDescription& parameter);

}  // namespace sluice::detail
