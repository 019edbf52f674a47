#include <sluice/parameter.hpp>

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "node/parameter_json.hpp"

namespace sluice {

namespace {

using nlohmann::json;

template <typename Number>
std::optional<ParameterValue> parse_number(const std::string& text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

template <typename T>
bool is_a(const json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
  if constexpr (std::is_same_v<T, double>) return value.is_number();
  if constexpr (std::is_same_v<T, std::int64_t>) {
    return value.is_number_integer() &&
           (!value.is_number_unsigned() ||
            value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  }
}

template <typename T>
std::optional<ParameterValue> list_of(const json& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<T> list;
  for (const json& one : value) {
    if (!is_a<T>(one)) return std::nullopt;
    list.push_back(one.get<T>());
  }
  return list;
}

template <typename T>
struct ElementOf {
  using Type = void;
};
template <typename T>
struct ElementOf<std::vector<T>> {
  using Type = T;
};

}  // namespace

const char* type_name(const ParameterValue& value) noexcept {
  constexpr std::array kNames{"bool", "integer", "double", "string", "integer_array", "double_array", "string_array"};
  static_assert(kNames.size() == std::variant_size_v<ParameterValue>);
  return value.valueless_by_exception() ? "none" : kNames[value.index()];
}

std::string to_text(const ParameterValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  return detail::to_json(value).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<ParameterValue> parse_parameter(const ParameterValue& like, const std::string& text) {
  return std::visit(
      [&]<typename Held>(const Held&) -> std::optional<ParameterValue> {
        if constexpr (std::is_same_v<Held, std::string>) {
          return text;
        } else if constexpr (std::is_same_v<Held, bool>) {
          if (text == "true" || text == "false") return text == "true";
          return std::nullopt;
        } else if constexpr (std::is_arithmetic_v<Held>) {
          return parse_number<Held>(text);
        } else {
          const json list = json::parse(text, nullptr, false);
          return list_of<typename ElementOf<Held>::Type>(list);
        }
      },
      like);
}

namespace detail {

json to_json(const ParameterValue& value) {
  return std::visit([](const auto& held) { return json(held); }, value);
}

std::optional<ParameterValue> from_json(const ParameterValue& like, const json& value) {
  if (value.is_string()) return parse_parameter(like, value.get_ref<const std::string&>());
  return std::visit(
      [&]<typename Held>(const Held&) -> std::optional<ParameterValue> {
        using Element = typename ElementOf<Held>::Type;
        if constexpr (!std::is_void_v<Element>) {
          return list_of<Element>(value);
        } else {
          if (!is_a<Held>(value)) return std::nullopt;
          return value.get<Held>();
        }
      },
      like);
}

json to_json(const ParameterDescription& parameter) {
  json described{{"name", parameter.name},
                 {"type", type_name(parameter.value)},
                 {"value", to_json(parameter.value)},
                 {"description", parameter.options.description},
                 {"read_only", parameter.options.read_only}};
  if (parameter.options.minimum) described["minimum"] = *parameter.options.minimum;
  if (parameter.options.maximum) described["maximum"] = *parameter.options.maximum;
  return described;
}

}  // namespace detail

}  // namespace sluice
