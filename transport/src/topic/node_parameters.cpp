#include "topic/node_parameters.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <sluice/detail/parameter_file.hpp>
#include <sluice/detail/quote.hpp>

#include "topic/topic_name_rules.hpp"

namespace sluice::detail {

namespace {

constexpr std::size_t kMostNodes = 10'000;

std::string json_string(const std::string& text) {
  constexpr std::array<char, 16> kDigits{'0', '1', '2', '3', '4', '5', '6', '7',
                                         '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
  std::string quoted = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20) {
      quoted += std::string("\\u00") + kDigits[byte >> 4U] + kDigits[byte & 15U];
    } else {
      if (letter == '"' || letter == '\\') quoted += '\\';
      quoted += letter;
    }
  }
  return quoted + "\"";
}

/// A list is written as after --param, which is JSON: a word in it is a number when YAML takes it for one.
std::string list_item(const YamlNode& item, const std::string& what) {
  const std::string& text = item.require_text(what);
  if (item.quoted()) return json_string(text);
  std::int64_t integer = 0;
  double number = 0;
  const char* const end = text.data() + text.size();
  if (const auto [stopped, error] = std::from_chars(text.data(), end, integer);
      error == std::errc{} && stopped == end) {
    return std::to_string(integer);
  }
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end) return json_string(text);
  // from_chars also takes ".5", "1." and "inf"; JSON takes the first two with their zeros only, the last not at all.
  std::array<char, 32> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  const std::string shortest(digits.data(), written.ptr);
  return shortest.find_first_of("in") == std::string::npos ? shortest : json_string(text);
}

/// A mapping in a mapping is a name with a dot, as in ROS 2.
void add_parameter(NodeParameters& parameters, const std::string& name, const YamlNode& value, const Origin& place,
                   const std::string& node) {
  const std::string what = "parameter " + quote(name) + " of " + node;
  if (value.is_null()) throw ConfigError(place, what + ": expected a value, found nothing");
  if (value.is_mapping()) {
    for (const YamlNode::Entry& entry : value.entries()) {
      add_parameter(parameters, name + "." + entry.key, entry.value, entry.origin, node);
    }
    return;
  }
  std::string text;
  if (value.is_sequence()) {
    for (const YamlNode& item : value.items()) text += (text.empty() ? "[" : ", ") + list_item(item, what);
    text += text.empty() ? "[]" : "]";
  } else {
    text = value.require_text(what);
  }
  const auto [known, added] = parameters.emplace(name, ConfiguredParameter{std::move(text), value.origin()});
  if (!added) {
    throw ConfigError(place, what + " was already given at " + known->second.origin.text() + "; remove one of them");
  }
}

NodeParameters parse_node(const YamlNode& settings, const std::string& node) {
  NodeParameters parameters;
  settings.require_mapping(node);
  settings.require_known_keys(node, {"parameters", "ros__parameters"});
  for (const YamlNode::Entry& values : settings.entries()) {
    if (values.value.is_null()) continue;
    values.value.require_mapping(values.key + " of " + node);
    for (const YamlNode::Entry& entry : values.value.entries()) {
      add_parameter(parameters, entry.key, entry.value, entry.origin, node);
    }
  }
  return parameters;
}

/// The value of a parameter and the entry it comes from.
struct Choice {
  const NodeEntry* entry;
  const ConfiguredParameter* value;
};

[[noreturn]] void refuse_tie(const std::string& node, const std::string& name, const Choice& first,
                             const Choice& second) {
  const auto said = [](const Choice& choice) {
    return quote(choice.value->text) + " by " + quote(choice.entry->pattern.text());
  };
  throw ConfigError(second.value->origin, "node " + quote(node) + ": parameter " + quote(name) + " is set to " +
                                              said(second) + " here and to " + said(first) + " at " +
                                              first.value->origin.text() +
                                              ", and neither pattern is more specific; set it for the node itself");
}

}  // namespace

void add_nodes(NodeEntries& nodes, const YamlNode& document) {
  if (document.is_null()) return;
  document.require_mapping("nodes");
  std::map<std::string, Origin> seen;
  for (const YamlNode::Entry& entry : document.entries()) {
    const std::string pattern = absolute_pattern("node name", entry.key, entry.origin);
    const std::string what = "node " + quote(pattern);
    const auto [place, inserted] = seen.emplace(pattern, entry.origin);
    if (!inserted) {
      throw ConfigError(entry.origin,
                        what + " was already given at " + place->second.text() + "; merge the two entries");
    }
    NodeParameters parameters = parse_node(entry.value, what);
    NodeEntry& known = nodes.try_emplace(pattern, NodeEntry{TopicPattern{pattern}, {}}).first->second;
    for (auto& [name, value] : parameters) known.parameters.insert_or_assign(name, std::move(value));
    if (nodes.size() > kMostNodes) {
      throw ConfigError(entry.origin,
                        what + " is one too many: at most " + std::to_string(kMostNodes) + " nodes are accepted");
    }
  }
}

NodeParameters resolve_parameters(const NodeEntries& nodes, const std::string& node) {
  const std::vector<std::string_view> tokens = split_name(node);
  std::vector<const NodeEntry*> matching;
  for (const auto& [pattern, entry] : nodes) {
    if (entry.pattern.exact() ? pattern == node : entry.pattern.matches(tokens)) matching.push_back(&entry);
  }
  std::stable_sort(matching.begin(), matching.end(), [](const NodeEntry* a, const NodeEntry* b) {
    return a->pattern.specificity() > b->pattern.specificity();
  });
  std::map<std::string, Choice> choices;
  for (const NodeEntry* entry : matching) {
    for (const auto& [name, value] : entry->parameters) {
      const Choice choice{entry, &value};
      const auto [place, inserted] = choices.emplace(name, choice);
      const Choice& best = place->second;
      if (!inserted && best.entry->pattern.specificity() == entry->pattern.specificity() &&
          best.value->text != value.text) {
        refuse_tie(node, name, best, choice);
      }
    }
  }
  NodeParameters resolved;
  for (const auto& [name, choice] : choices) {
    resolved.emplace(name, *choice.value).first->second.for_one_node = choice.entry->pattern.exact();
  }
  return resolved;
}

NodeParameters load_parameter_file(const std::string& path, const std::string& node) {
  const YamlNode root = load_yaml(path);
  root.require_mapping("the parameter file");
  const YamlNode* const configured = root.find("nodes");
  NodeEntries nodes;
  add_nodes(nodes, configured == nullptr ? root : *configured);
  NodeParameters found = resolve_parameters(nodes, node);
  if (!found.empty()) return found;
  std::string names;
  for (const auto& [name, entry] : nodes) names += (names.empty() ? "" : ", ") + name;
  throw ConfigError(root.origin(), "there are no parameters of node " + quote(node) +
                                       " in this file; it has those of " + (names.empty() ? "none" : names));
}

}  // namespace sluice::detail
