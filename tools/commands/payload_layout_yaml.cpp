#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include <yaml-cpp/yaml.h>

#include <sluice/error.hpp>

#include "commands/payload_layout.hpp"

namespace sluice::commands {

namespace {

using Kind = PayloadLayout::Kind;
using Field = PayloadLayout::Field;

[[noreturn]] void fail(const YAML::Mark& mark, const std::string& sentence) {
  const std::string line = mark.line > 0 ? "line " + std::to_string(mark.line + 1) + ", " : "";
  throw Error("data, " + line + "column " + std::to_string(mark.column + 1) + ": " + sentence);
}

std::string shown(const YAML::Node& node) { return node.IsScalar() ? "'" + node.Scalar() + "'" : "this"; }

[[noreturn]] void refuse(const Field& field, const YAML::Node& node) {
  fail(node.Mark(), "field '" + field.name + "': " + shown(node) + " is no " + word_of(field.kind));
}

/// Decimal, or hexadecimal behind 0x.
template <typename T>
T integer(const Field& field, const YAML::Node& node) {
  const std::string& text = node.Scalar();
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const char* begin = text.data() + (hex ? 2 : text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  T value{};
  const auto result = std::from_chars(begin, end, value, hex ? 16 : 10);
  if (result.ec == std::errc::result_out_of_range) {
    fail(node.Mark(), "field '" + field.name + "': '" + text + "' does not fit; " + word_of(field.kind) +
                          " goes from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                          std::to_string(std::numeric_limits<T>::max()));
  }
  if (result.ec != std::errc{} || result.ptr != end) refuse(field, node);
  return value;
}

template <typename T>
T number(const Field& field, const YAML::Node& node) {
  double value = 0;
  if (!YAML::convert<double>::decode(node, value)) refuse(field, node);
  if (std::isfinite(value) && std::abs(value) > static_cast<double>(std::numeric_limits<T>::max())) {
    fail(node.Mark(), "field '" + field.name + "': " + shown(node) + " is too large for " + word_of(field.kind));
  }
  return static_cast<T>(value);
}

template <typename T>
void put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

void put_element(std::byte* to, const Field& field, const YAML::Node& node) {
  if (!node.IsScalar()) refuse(field, node);
  switch (field.kind) {
    case Kind::u8: return put(to, integer<std::uint8_t>(field, node));
    case Kind::u16: return put(to, integer<std::uint16_t>(field, node));
    case Kind::u32: return put(to, integer<std::uint32_t>(field, node));
    case Kind::u64: return put(to, integer<std::uint64_t>(field, node));
    case Kind::i8: return put(to, integer<std::int8_t>(field, node));
    case Kind::i16: return put(to, integer<std::int16_t>(field, node));
    case Kind::i32: return put(to, integer<std::int32_t>(field, node));
    case Kind::i64: return put(to, integer<std::int64_t>(field, node));
    case Kind::f32: return put(to, number<float>(field, node));
    case Kind::f64: return put(to, number<double>(field, node));
    case Kind::boolean: {
      bool value = false;
      if (!YAML::convert<bool>::decode(node, value)) refuse(field, node);
      return put(to, static_cast<std::uint8_t>(value ? 1 : 0));
    }
    case Kind::text: break;
  }
}

void put_text(std::byte* to, const Field& field, const YAML::Node& node) {
  if (!node.IsScalar()) refuse(field, node);
  const std::string& text = node.Scalar();
  if (text.size() > field.count) {
    fail(node.Mark(), "field '" + field.name + "': '" + text + "' has " + std::to_string(text.size()) +
                          " bytes, but there is room for " + std::to_string(field.count));
  }
  std::memcpy(to, text.data(), text.size());
}

void put_field(std::byte* to, const Field& field, const YAML::Node& node) {
  if (field.kind == Kind::text) return put_text(to, field, node);
  if (!field.array) return put_element(to, field, node);
  if (!node.IsSequence()) {
    fail(node.Mark(), "field '" + field.name + "' has " + std::to_string(field.count) + " elements; give them as a " +
                          "list, [...]");
  }
  if (node.size() != field.count) {
    fail(node.Mark(), "field '" + field.name + "' has " + std::to_string(field.count) + " elements, but " +
                          std::to_string(node.size()) + " are given");
  }
  for (std::size_t i = 0; i < field.count; ++i) put_element(to + i * size_of(field.kind), field, node[i]);
}

YAML::Node parse(const std::string& yaml) {
  try {
    return YAML::Load(yaml);
  } catch (const YAML::ParserException& error) {
    fail(error.mark, error.msg);
  }
}

const Field& find_field(const std::vector<Field>& fields, const YAML::Node& key) {
  std::vector<std::string> names;
  for (const Field& field : fields) {
    if (key.IsScalar() && key.Scalar() == field.name) return field;
    names.push_back(field.name);
  }
  if (!key.IsScalar()) fail(key.Mark(), "a field's name is expected");
  fail(key.Mark(), "the layout has no field '" + key.Scalar() + "'" + did_you_mean(key.Scalar(), names));
}

}  // namespace

std::vector<std::byte> PayloadLayout::bytes_of(const std::string& yaml) const {
  std::vector<std::byte> payload(size_);
  const YAML::Node data = parse(yaml);
  if (!data.IsMap()) {
    fail(YAML::Mark(), "with a layout the message is a YAML map, like '{" + fields_.front().name + ": ...}'");
  }
  std::set<std::string> seen;
  for (const auto& entry : data) {
    const Field& field = find_field(fields_, entry.first);
    if (!seen.insert(field.name).second) fail(entry.first.Mark(), "field '" + field.name + "' is there twice");
    put_field(payload.data() + field.offset, field, entry.second);
  }
  return payload;
}

}  // namespace sluice::commands
