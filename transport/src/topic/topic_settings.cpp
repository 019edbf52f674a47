#include "topic/topic_settings.hpp"

#include <sluice/detail/config_keys.hpp>
#include <sluice/units.hpp>

#include <sluice/detail/quote.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <vector>

namespace sluice::detail {

namespace {

constexpr std::uint32_t kDeepestQueue = 1U << 20U;
constexpr std::size_t kLargestMessage = std::size_t{1} << 30U;

bool is_printable_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7F'; });
}

bool is_plugin_name(const std::string& text) {
  // It becomes part of a file name.
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::chrono::nanoseconds parse_positive_duration(const std::string& text) {
  const std::chrono::nanoseconds duration = parse_duration(text);
  if (duration.count() == 0) refuse_value(text, "a duration above 0, such as 100ms");
  return duration;
}

// One function a key: checks `text`, stores the value, returns it in canonical form. They throw Error.

std::string apply_type(TopicSpec& spec, const std::string& text) {
  if (!is_printable_word(text)) refuse_value(text, "a type name without spaces, such as demo/Imu");
  spec.type.name = text;
  return text;
}

std::string apply_transport(TopicSpec& spec, const std::string& text) {
  if (!is_plugin_name(text))
    refuse_value(text, "the name of a transport (letters, digits, '_' and '-'), such as slick");
  spec.transport = text;
  return text;
}

std::string apply_max_size(TopicSpec& spec, const std::string& text) {
  const std::size_t size = parse_size(text);
  if (size < 1 || size > kLargestMessage) refuse_value(text, "a size from 1B to 1GiB");
  spec.max_size = size;
  return std::to_string(size);
}

std::string apply_timestamps(TopicSpec& spec, const std::string& text) {
  if (text == "on" || text == "true") {
    spec.timestamps = true;
  } else if (text == "off" || text == "false") {
    spec.timestamps = false;
  } else {
    refuse_value(text, "on or off");
  }
  return spec.timestamps ? "on" : "off";
}

std::string apply_reliability(TopicSpec& spec, const std::string& text) {
  if (text == "best_effort") {
    spec.qos.reliability = Reliability::best_effort;
  } else if (text == "reliable") {
    spec.qos.reliability = Reliability::reliable;
  } else {
    refuse_value(text, "best_effort or reliable" + did_you_mean(text.substr(0, 32), {"best_effort", "reliable"}));
  }
  return text;
}

std::string apply_durability(TopicSpec& spec, const std::string& text) {
  if (text == "volatile") {
    spec.qos.durability = Durability::volatile_;
  } else if (text == "transient_local") {
    spec.qos.durability = Durability::transient_local;
  } else {
    refuse_value(text,
                 "volatile or transient_local" + did_you_mean(text.substr(0, 32), {"volatile", "transient_local"}));
  }
  return text;
}

std::string apply_depth(TopicSpec& spec, const std::string& text) {
  spec.qos.depth = parse_number(text, 1, kDeepestQueue);
  return std::to_string(spec.qos.depth);
}

std::string apply_history(TopicSpec& spec, const std::string& text) {
  spec.qos.history = parse_number(text, 1, kDeepestQueue);
  return std::to_string(spec.qos.history);
}

std::string apply_deadline(TopicSpec& spec, const std::string& text) {
  spec.qos.deadline = parse_positive_duration(text);
  return format_duration(*spec.qos.deadline);
}

std::string apply_liveliness(TopicSpec& spec, const std::string& text) {
  spec.qos.liveliness_lease = parse_positive_duration(text);
  return format_duration(*spec.qos.liveliness_lease);
}

std::string apply_max_blocking_time(TopicSpec& spec, const std::string& text) {
  spec.qos.max_blocking_time = parse_duration(text);
  return format_duration(spec.qos.max_blocking_time);
}

struct CommonKey {
  std::string_view name;
  std::string (*apply)(TopicSpec& spec, const std::string& text);
};

constexpr std::array kCommonKeys{
    CommonKey{"type", apply_type},
    CommonKey{"transport", apply_transport},
    CommonKey{"max_size", apply_max_size},
    CommonKey{"timestamps", apply_timestamps},
    CommonKey{"reliability", apply_reliability},
    CommonKey{"depth", apply_depth},
    CommonKey{"durability", apply_durability},
    CommonKey{"history", apply_history},
    CommonKey{"deadline", apply_deadline},
    CommonKey{"liveliness", apply_liveliness},
    CommonKey{"max_blocking_time", apply_max_blocking_time},
};

static_assert(std::ranges::equal(kCommonKeys, kTopicSettings, {}, &CommonKey::name));

/// Stores `text` in `spec` and returns its canonical form.
std::string apply(TopicSpec& spec, const std::string& key, const std::string& text, const Origin& origin) {
  const auto found =
      std::find_if(kCommonKeys.begin(), kCommonKeys.end(), [&](const CommonKey& common) { return common.name == key; });
  if (found != kCommonKeys.end()) return found->apply(spec, text);
  if (text.empty()) refuse_value(text, "a value");
  spec.options[key] = TransportOption{text, origin};
  return text;
}

std::vector<std::string> known_keys() {
  std::vector<std::string> names;
  for (const ConfigKey& key : topic_keys()) {  // two transports may have an option of one name
    if (std::find(names.begin(), names.end(), key.name) == names.end()) names.emplace_back(key.name);
  }
  return names;
}

/// Whether some transport may call an option so: error messages and command lines must be able to name it.
bool is_option_name(const std::string& text) {
  constexpr std::size_t kLongestName = 64;
  return text.size() <= kLongestName && is_plugin_name(text);
}

}  // namespace

void refuse_value(const std::string& text, const std::string& expected) {
  throw Error(quote(text) + " is not accepted; expected " + expected);
}

std::uint32_t parse_number(const std::string& text, std::uint32_t least, std::uint32_t most) {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number < least || number > most) {
    refuse_value(text, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

Settings parse_settings(const YamlNode& entry, std::string_view what) {
  Settings settings;
  if (entry.is_null()) return settings;  // "/imu/raw:" alone: mentioned, all defaults
  entry.require_mapping(what);
  TopicSpec scratch;
  for (const YamlNode::Entry& item : entry.entries()) {
    if (!is_option_name(item.key)) refuse_unknown_key(item.origin, item.key, what, known_keys());
    const std::string subject = item.key + " of " + std::string{what};
    const Origin& origin = item.value.origin();
    // "depth:" with nothing after it: yaml-cpp places the nothing on the next line, where nobody would look.
    if (item.value.is_null()) throw ConfigError(item.origin, subject + ": expected a value, found nothing");
    const std::string& text = item.value.require_text(subject);
    try {
      settings[item.key] = Setting{text, apply(scratch, item.key, text, origin), origin, item.origin};
    } catch (const Error& error) {
      throw ConfigError(origin, subject + ": " + error.what());
    }
  }
  return settings;
}

void refuse_unknown_option(const std::string& key, const Setting& setting, std::string_view what) {
  const std::vector<std::string> known = known_keys();
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    refuse_unknown_key(setting.key_origin, key, what, known);
  }
}

void apply_setting(TopicSpec& spec, const std::string& key, const Setting& setting) {
  apply(spec, key, setting.text, setting.origin);
  spec.origins[key] = setting.origin;
}

}  // namespace sluice::detail
