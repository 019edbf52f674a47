#pragma once

#include <map>
#include <string>

#include <sluice/config.hpp>
#include <sluice/detail/yaml_document.hpp>

#include "topic/wildcard.hpp"

namespace sluice::detail {

using NodeParameters = std::map<std::string, ConfiguredParameter>;

/// One entry of `nodes`.
struct NodeEntry {
  TopicPattern pattern;
  NodeParameters parameters;
};

using NodeEntries = std::map<std::string, NodeEntry>;

/// Lays the `nodes` of a document over `nodes`, parameter by parameter. Throws ConfigError.
void add_nodes(NodeEntries& nodes, const YamlNode& document);

/// What the entries that match a node say; the most specific one wins. Throws ConfigError when two tie and disagree.
[[nodiscard]] NodeParameters resolve_parameters(const NodeEntries& nodes, const std::string& node);

}  // namespace sluice::detail
