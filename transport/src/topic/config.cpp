#include <sluice/config.hpp>

#include <sluice/detail/config_keys.hpp>
#include <sluice/detail/quote.hpp>

#include "topic/config_parser.hpp"
#include "topic/topic_name_rules.hpp"
#include "topic/topic_rules.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace sluice {

namespace {

using detail::ConfigData;
using detail::Setting;
using detail::TopicEntry;

std::string label(std::string_view name) { return "topic " + detail::quote(name); }

/// The entries that name a topic, the most specific first.
std::vector<const TopicEntry*> matching_entries(const ConfigData& data, const std::string& name) {
  std::vector<const TopicEntry*> entries;
  if (const auto exact = data.topics.find(name); exact != data.topics.end()) entries.push_back(&exact->second);
  const std::vector<std::string_view> tokens = detail::split_name(name);
  for (const auto& [pattern, entry] : data.wildcards) {
    if (entry.pattern.matches(tokens)) entries.push_back(&entry);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const TopicEntry* a, const TopicEntry* b) {
    return a->pattern.specificity() > b->pattern.specificity();
  });
  return entries;
}

/// Where the value of a key comes from.
struct Choice {
  const TopicEntry* entry;
  const Setting* setting;
};

[[noreturn]] void refuse_tie(std::string_view name, const std::string& key, Choice first, Choice second) {
  // In one file the later place is the one to complain about.
  const Origin& a = first.setting->origin;
  const Origin& b = second.setting->origin;
  if (a.source == b.source && std::pair{a.line, a.column} > std::pair{b.line, b.column}) std::swap(first, second);
  const auto value = [](const Choice& choice) {
    return detail::quote(choice.setting->text) + " by " + detail::quote(choice.entry->pattern.text());
  };
  throw ConfigError(second.setting->origin,
                    label(name) + ": " + key + " is set to " + value(second) + " here and to " + value(first) + " at " +
                        first.setting->origin.text() +
                        ", and neither pattern is more specific; remove one of them, or set it for the topic itself");
}

TopicSpec resolve(const ConfigData& data, const std::string& name) {
  std::map<std::string, Choice> choices;
  for (const TopicEntry* entry : matching_entries(data, name)) {
    for (const auto& [key, setting] : entry->settings) {
      const Choice choice{entry, &setting};
      const auto [place, inserted] = choices.emplace(key, choice);
      const Choice& best = place->second;
      if (!inserted && best.entry->pattern.specificity() == entry->pattern.specificity() &&
          best.setting->canonical != setting.canonical) {
        refuse_tie(name, key, best, choice);
      }
    }
  }
  TopicSpec spec;
  spec.name = name;
  for (const auto& [key, choice] : choices) detail::apply_setting(spec, key, *choice.setting);
  if (detail::is_shipped_transport(spec.transport)) {
    for (const auto& [key, choice] : choices) detail::refuse_unknown_option(key, *choice.setting, label(name));
  }
  detail::check_complete(spec, label(name));
  return spec;
}

/// The transport that an entry names, or an empty word.
std::string transport_of(const TopicEntry& entry) {
  const auto found = entry.settings.find("transport");
  return found == entry.settings.end() ? std::string{} : found->second.text;
}

bool names_foreign_transport(const TopicEntry& entry) {
  const std::string transport = transport_of(entry);
  return !transport.empty() && !detail::is_shipped_transport(transport);
}

/// A wildcard's unknown keys are refused when the file is loaded, unless they may be meant for a transport that is not
/// ours: it names one itself, or it names none and some other entry does. Then they are judged topic by topic.
void check_wildcard_keys(const ConfigData& data) {
  const auto foreign = [](const auto& item) { return names_foreign_transport(item.second); };
  const bool any_foreign = std::any_of(data.topics.begin(), data.topics.end(), foreign) ||
                           std::any_of(data.wildcards.begin(), data.wildcards.end(), foreign);
  for (const auto& [pattern, entry] : data.wildcards) {
    if (names_foreign_transport(entry) || (any_foreign && transport_of(entry).empty())) continue;
    for (const auto& [key, setting] : entry.settings) detail::refuse_unknown_option(key, setting, label(pattern));
  }
}

}  // namespace

struct Config::Impl : detail::ConfigData {
  explicit Impl(const std::vector<detail::YamlNode>& documents) {
    for (const detail::YamlNode& document : documents) detail::add_document(*this, document);
    detail::add_environment(*this);
    check_wildcard_keys(*this);
    // Errors of named topics show when the file is loaded and not when somebody first opens the topic.
    for (const auto& [name, entry] : topics) static_cast<void>(resolve(*this, name));
    for (const auto& [name, entry] : nodes) {
      if (entry.pattern.exact()) static_cast<void>(detail::resolve_parameters(nodes, name));
    }
  }
};

Config::Config() : impl_(std::make_shared<const Impl>(std::vector<detail::YamlNode>{})) {}

Config Config::load(const std::vector<std::string>& paths) {
  std::vector<detail::YamlNode> documents;
  for (const std::string& path : paths) documents.push_back(detail::load_yaml(path));
  Config config;
  config.impl_ = std::make_shared<const Impl>(documents);
  return config;
}

Config Config::load_or_environment(const std::vector<std::string>& paths) {
  if (!paths.empty()) return load(paths);
  std::vector<std::string> found;
  const char* text = std::getenv("SLUICE_CONFIG");
  std::istringstream stream(text == nullptr ? "" : text);
  for (std::string path; std::getline(stream, path, ':');) {
    if (!path.empty()) found.push_back(path);
  }
  return load(found);
}

Config Config::parse(const std::string& text, const std::string& source) {
  Config config;
  config.impl_ = std::make_shared<const Impl>(std::vector{detail::parse_yaml(text, source)});
  return config;
}

const DomainSettings& Config::domain() const noexcept { return impl_->domain; }

TopicSpec Config::topic(std::string_view name) const {
  detail::check_name("topic name", name, detail::NameForm{});
  if (!name.starts_with('/')) {
    throw Error("topic name " + detail::quote(name) + ": it must be fully qualified, beginning with '/'");
  }
  return resolve(*impl_, std::string{name});
}

bool Config::mentions(std::string_view name) const { return !matching_entries(*impl_, std::string{name}).empty(); }

namespace {

std::vector<std::string> sorted_keys(const std::map<std::string, TopicEntry>& entries) {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : entries) keys.push_back(key);
  return keys;
}

}  // namespace

std::vector<std::string> Config::topic_names() const { return sorted_keys(impl_->topics); }

std::vector<std::string> Config::topic_patterns() const { return sorted_keys(impl_->wildcards); }

std::map<std::string, ConfiguredParameter> Config::parameters(std::string_view node) const {
  return detail::resolve_parameters(impl_->nodes, std::string{node});
}

std::vector<std::string> Config::node_names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : impl_->nodes) {
    if (entry.pattern.exact()) names.push_back(name);
  }
  return names;
}

}  // namespace sluice
