#include "topic/config_parser.hpp"

#include <sluice/detail/config_keys.hpp>

#include <sluice/detail/quote.hpp>
#include <sluice/units.hpp>

#include "topic/topic_name_rules.hpp"
#include "topic/topic_rules.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>

namespace sluice::detail {

namespace {

// Far beyond what a host can hold, and few enough that matching every topic with every wildcard takes no time.
constexpr std::size_t kMostTopics = 10'000;
constexpr std::size_t kMostWildcards = 1'000;

bool has_control_character(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

std::uint32_t parse_domain(const std::string& text) {
  return parse_number(text, 0, std::numeric_limits<std::uint32_t>::max());
}

std::string parse_runtime_dir(std::string text) {
  if (!text.starts_with('/') || has_control_character(text)) {
    refuse_value(text, "an absolute path, such as /dev/shm/sluice");
  }
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::uint32_t parse_mode(const std::string& text) {
  constexpr std::size_t kMostDigits = 4;
  const std::string digits = text.substr(text.starts_with("0o") ? 2 : 0);
  const bool octal =
      !digits.empty() && digits.size() <= kMostDigits && digits.find_first_not_of("01234567") == std::string::npos;
  const auto mode = octal ? static_cast<std::uint32_t>(std::stoul(digits, nullptr, 8)) : 0;
  const std::uint32_t group = (mode >> 3U) & 07U;
  const std::uint32_t others = mode & 07U;
  // Without its own two bits the owner is locked out; nobody can write what they cannot read, and nobody means to give
  // others more than the group.
  if ((mode & ~0066U) != 0600U || group == 02U || others == 02U || (others & ~group) != 0) {
    refuse_value(text, "octal permissions without execute bits: 0600, 0640, 0644, 0660, 0664 or 0666");
  }
  return mode;
}

std::string parse_group(const std::string& text) {
  if (text.empty() || has_control_character(text)) refuse_value(text, "a group's name or number");
  return text;
}

std::string parse_log_level(const std::string& text) {
  static const std::array<std::string_view, 7> levels{"trace", "debug", "info", "warn", "error", "critical", "off"};
  if (std::find(levels.begin(), levels.end(), text) == levels.end()) {
    refuse_value(text, "trace, debug, info, warn, error, critical or off");
  }
  return text;
}

std::uint64_t parse_log_max_size(const std::string& text) {
  constexpr std::uint64_t kLeast = 4096;
  const std::uint64_t size = parse_size(text);
  if (size < kLeast) refuse_value(text, "a size of at least 4KiB");
  return size;
}

std::uint32_t parse_log_files(const std::string& text) { return parse_number(text, 1, 1000); }

/// A plugin directory, relative to the directory of the file that names it.
std::string parse_plugin_directory(const std::string& text, const std::string& source) {
  if (text.empty() || has_control_character(text)) refuse_value(text, "a directory");
  const std::size_t slash = source.rfind('/');
  if (text.starts_with('/') || slash == std::string::npos) return text;
  return source.substr(0, slash + 1) + text;
}

/// Runs a parser of text, so that its Error becomes a ConfigError at `origin`.
template <typename Parse>
auto parse_at(const Origin& origin, const std::string& subject, Parse parse) {
  try {
    return parse();
  } catch (const Error& error) {
    throw ConfigError(origin, subject + ": " + error.what());
  }
}

std::vector<std::string> parse_plugin_path(const YamlNode& node) {
  const auto directory = [](const YamlNode& item) {
    const std::string& text = item.require_text("plugin_path");
    return parse_at(item.origin(), "plugin_path", [&] { return parse_plugin_directory(text, item.origin().source); });
  };
  if (node.is_scalar()) return {directory(node)};
  node.require_sequence("plugin_path");
  std::vector<std::string> directories;
  for (const YamlNode& item : node.items()) directories.push_back(directory(item));
  return directories;
}

void add_domain_setting(DomainSettings& domain, const std::string& key, const YamlNode& node) {
  if (key == "plugin_path") {
    domain.plugin_path = parse_plugin_path(node);
  } else {
    const std::string& text = node.require_text(key);
    parse_at(node.origin(), key, [&] {
      if (key == "domain") domain.domain = parse_domain(text);
      if (key == "runtime_dir") domain.runtime_dir = parse_runtime_dir(text);
      if (key == "mode") domain.mode = parse_mode(text);
      if (key == "group") domain.group = parse_group(text);
      if (key == "log_level") domain.log_level = parse_log_level(text);
      if (key == "log_dir") domain.log_dir = parse_runtime_dir(text);
      if (key == "log_max_size") domain.log_max_size = parse_log_max_size(text);
      if (key == "log_files") domain.log_files = parse_log_files(text);
    });
  }
  domain.origins[key] = node.origin();
}

/// "imu/raw" and "/imu/raw" are one topic: there is no namespace in a configuration file.
void merge_topic(ConfigData& data, const std::string& pattern, Settings&& settings) {
  TopicPattern parsed{pattern};
  auto& entries = parsed.exact() ? data.topics : data.wildcards;
  TopicEntry& entry = entries.try_emplace(pattern, TopicEntry{std::move(parsed), {}}).first->second;
  for (auto& [key, setting] : settings) entry.settings.insert_or_assign(key, std::move(setting));
}

void add_topics(ConfigData& data, const YamlNode& topics) {
  if (topics.is_null()) return;
  topics.require_mapping("topics");
  std::map<std::string, Origin> seen;  // in this document: a second file may well name the same topic
  for (const YamlNode::Entry& entry : topics.entries()) {
    const std::string pattern = absolute_pattern("topic name", entry.key, entry.origin);
    const std::string what = "topic " + quote(pattern);
    const auto [place, inserted] = seen.emplace(pattern, entry.origin);
    if (!inserted) {
      throw ConfigError(entry.origin,
                        what + " was already given at " + place->second.text() + "; merge the two entries");
    }
    Settings settings = parse_settings(entry.value, what);
    TopicSpec alone;
    for (const auto& [key, setting] : settings) apply_setting(alone, key, setting);
    check_contradictions(alone, what);
    merge_topic(data, pattern, std::move(settings));
    if (data.topics.size() > kMostTopics || data.wildcards.size() > kMostWildcards) {
      throw ConfigError(entry.origin, what + " is one too many: at most " + std::to_string(kMostTopics) +
                                          " topics and " + std::to_string(kMostWildcards) + " wildcards are accepted");
    }
  }
}

/// An empty variable counts as unset, as in the shell's ${X:-default}.
const char* environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

}  // namespace

void add_document(ConfigData& data, const YamlNode& root) {
  if (root.is_null()) return;
  root.require_mapping("configuration");
  std::vector<std::string> known;
  for (const ConfigKey& key : domain_keys()) known.emplace_back(key.name);
  root.require_known_keys("the configuration", known);
  for (const YamlNode::Entry& entry : root.entries()) {
    if (entry.key == "topics") {
      add_topics(data, entry.value);
    } else if (entry.key == "nodes") {
      add_nodes(data.nodes, entry.value);
    } else if (entry.value.is_null()) {
      throw ConfigError(entry.origin, entry.key + ": expected a value, found nothing");
    } else {
      add_domain_setting(data.domain, entry.key, entry.value);
    }
  }
}

void add_environment(ConfigData& data) {
  DomainSettings& domain = data.domain;
  if (const char* const text = environment("SLUICE_DOMAIN")) {
    const Origin origin{"environment SLUICE_DOMAIN", 0, 0};
    domain.domain = parse_at(origin, "domain", [&] { return parse_domain(text); });
    domain.origins["domain"] = origin;
  }
  if (const char* const text = environment("SLUICE_RUNTIME_DIR")) {
    const Origin origin{"environment SLUICE_RUNTIME_DIR", 0, 0};
    domain.runtime_dir = parse_at(origin, "runtime_dir", [&] { return parse_runtime_dir(text); });
    domain.origins["runtime_dir"] = origin;
  }
  if (const char* const text = environment("SLUICE_LOG_LEVEL")) {
    const Origin origin{"environment SLUICE_LOG_LEVEL", 0, 0};
    domain.log_level = parse_at(origin, "log_level", [&] { return parse_log_level(text); });
    domain.origins["log_level"] = origin;
  }
  if (const char* const text = environment("SLUICE_LOG_DIR")) {
    const Origin origin{"environment SLUICE_LOG_DIR", 0, 0};
    domain.log_dir = parse_at(origin, "log_dir", [&] { return parse_runtime_dir(text); });
    domain.origins["log_dir"] = origin;
  }
  if (domain.runtime_dir.empty()) domain.runtime_dir = "/dev/shm/sluice-" + std::to_string(::geteuid());
}

}  // namespace sluice::detail
