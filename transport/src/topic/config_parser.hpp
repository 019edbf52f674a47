#pragma once

#include <sluice/config.hpp>
#include <sluice/detail/yaml_document.hpp>

#include "topic/node_parameters.hpp"
#include "topic/topic_settings.hpp"
#include "topic/wildcard.hpp"

#include <map>
#include <string>

namespace sluice::detail {

/// One entry of `topics`.
struct TopicEntry {
  TopicPattern pattern;
  Settings settings;
};

/// All that configuration files say.
struct ConfigData {
  DomainSettings domain;
  std::map<std::string, TopicEntry> topics;     ///< Without wildcards, by name.
  std::map<std::string, TopicEntry> wildcards;  ///< By pattern.
  NodeEntries nodes;                            ///< By name or pattern.
};

/// Lays one document over `data`, key by key. Throws ConfigError.
void add_document(ConfigData& data, const YamlNode& root);

/// Lays the environment over `data` and fills in what nobody set. Throws ConfigError naming the variable.
void add_environment(ConfigData& data);

}  // namespace sluice::detail
