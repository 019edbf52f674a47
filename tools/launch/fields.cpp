#include "fields.hpp"

#include <utility>

#include <sluice/error.hpp>

namespace sluice::launch {

using detail::YamlNode;

Text text_of(const YamlNode& node, const std::string& what) { return {node.require_text(what), node.origin()}; }

std::vector<Text> one_or_many(const YamlNode& node, const std::string& what) {
  if (!node.is_sequence()) return {text_of(node, what)};
  std::vector<Text> texts;
  for (const YamlNode& item : node.items()) texts.push_back(text_of(item, "an item of " + what));
  return texts;
}

Fields::Fields(const YamlNode& node, std::string what) : node_(node), what_(std::move(what)) {
  node_.require_mapping(what_);
}

const YamlNode& Fields::need(const std::string& key) const {
  if (const YamlNode* value = find(key)) return *value;
  throw ConfigError(node_.origin(), what_ + " needs '" + key + "'");
}

Text Fields::name(const std::string& key) const {
  Text value = text(key);
  if (value.text.empty()) throw ConfigError(value.origin, label(key) + " must not be empty");
  return value;
}

std::optional<Text> Fields::optional_text(const std::string& key) const {
  const YamlNode* value = find(key);
  return value ? std::optional(text_of(*value, label(key))) : std::nullopt;
}

Words Fields::words(const YamlNode& node, const std::string& key) const {
  return {!node.is_sequence(), one_or_many(node, label(key))};
}

const std::vector<YamlNode>& Fields::items(const std::string& key) const {
  static const std::vector<YamlNode> none;
  const YamlNode* list = find(key);
  if (!list) return none;
  list->require_sequence(label(key));
  return list->items();
}

std::vector<Pair> Fields::pairs(const std::string& key, const std::string& left, const std::string& right) const {
  std::vector<Pair> pairs;
  for (const YamlNode& item : items(key)) {
    const Fields pair(item, "an item of " + label(key));
    pair.allow_only({left, right});
    pairs.push_back({pair.name(left), pair.text(right)});
  }
  return pairs;
}

}  // namespace sluice::launch
