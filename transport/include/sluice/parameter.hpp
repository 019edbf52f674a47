#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <sluice/error.hpp>
#include <sluice/export.hpp>

namespace sluice {

/// What a parameter can hold. A parameter keeps the type that it was declared with.
using ParameterValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                                    std::vector<double>, std::vector<std::string>>;

/// "bool", "integer", "double", "string", "integer_array", "double_array" or "string_array".
[[nodiscard]] SLUICE_EXPORT const char* type_name(const ParameterValue& value) noexcept;

/// As one writes it after --param: `true`, `3`, `0.5`, a string as it is, a list as `[1, 2]` or `["a", "b"]`.
[[nodiscard]] SLUICE_EXPORT std::string to_text(const ParameterValue& value);

/// The value of `like`'s type that `text` means; nothing when it means none.
[[nodiscard]] SLUICE_EXPORT std::optional<ParameterValue> parse_parameter(const ParameterValue& like,
                                                                          const std::string& text);

/// What a node says about a parameter when it declares it.
struct ParameterOptions {
  std::string description;        ///< For people.
  std::optional<double> minimum;  ///< Of a number, or of each in a list.
  std::optional<double> maximum;  ///< Of a number, or of each in a list.
  bool read_only = false;         ///< It keeps the value that it was declared with.
};

/// A declared parameter as it is now.
struct ParameterDescription {
  std::string name;          ///< As declared.
  ParameterValue value;      ///< Now.
  ParameterOptions options;  ///< As declared.
};

/// Says why a new value is refused; an empty text accepts it.
using ParameterCallback = std::function<std::string(const std::string& name, const ParameterValue& value)>;

}  // namespace sluice
