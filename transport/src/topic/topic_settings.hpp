#pragma once

#include <sluice/detail/yaml_document.hpp>
#include <sluice/topic_spec.hpp>

#include <map>
#include <string>
#include <string_view>

namespace sluice::detail {

/// The value of one key of one topic entry. It has been checked.
struct Setting {
  std::string text;       ///< As written.
  std::string canonical;  ///< Equal for equal values: "8MiB" and "8192KiB" do not contradict each other.
  Origin origin;          ///< Of the value.
  Origin key_origin;
};

/// key -> setting
using Settings = std::map<std::string, Setting>;

/// Reads one entry of `topics`; `what` names it in errors, "topic '/imu/raw'". A key that is no common setting is taken
/// for an option of the transport, which this entry alone need not tell: see refuse_unknown_option. Throws ConfigError.
[[nodiscard]] Settings parse_settings(const YamlNode& entry, std::string_view what);

/// Refuses a key that no shipped transport knows. For topics that a shipped transport carries: the options of any other
/// are for its own Transport::validate to judge. Throws ConfigError at the key.
void refuse_unknown_option(const std::string& key, const Setting& setting, std::string_view what);

/// Writes a setting into `spec`, with its origin.
void apply_setting(TopicSpec& spec, const std::string& key, const Setting& setting);

/// Throws Error naming `text` and what is `expected` instead.
[[noreturn]] void refuse_value(const std::string& text, const std::string& expected);

/// A whole number in decimal digits within a range. Throws Error naming `text` and the range.
[[nodiscard]] std::uint32_t parse_number(const std::string& text, std::uint32_t least, std::uint32_t most);

}  // namespace sluice::detail
