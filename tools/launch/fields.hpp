#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sluice/detail/yaml_document.hpp>

#include "description.hpp"

namespace sluice::launch {

/// The text of a scalar, with its place.
[[nodiscard]] Text text_of(const detail::YamlNode& node, const std::string& what);

/// A list of texts, or one text for a list of one.
[[nodiscard]] std::vector<Text> one_or_many(const detail::YamlNode& node, const std::string& what);

/// The mapping behind one action (or one list item) and the word for it in errors. All throw ConfigError.
class Fields {
 public:
  Fields(const detail::YamlNode& node, std::string what);

  void allow_only(const std::vector<std::string>& keys) const { node_.require_known_keys(what_, keys); }

  [[nodiscard]] const detail::YamlNode* find(const std::string& key) const { return node_.find(key); }
  [[nodiscard]] const detail::YamlNode& need(const std::string& key) const;
  [[nodiscard]] const Origin& origin() const { return node_.origin(); }

  [[nodiscard]] Text text(const std::string& key) const { return text_of(need(key), label(key)); }
  [[nodiscard]] Text name(const std::string& key) const;  ///< A text that is not empty.
  [[nodiscard]] std::optional<Text> optional_text(const std::string& key) const;
  [[nodiscard]] Words words(const detail::YamlNode& node, const std::string& key) const;

  /// The items of the list `key`, none if it is absent. They may be of any kind.
  [[nodiscard]] const std::vector<detail::YamlNode>& items(const std::string& key) const;
  /// The items of the list `key`, each with the keys `left` and `right`.
  [[nodiscard]] std::vector<Pair> pairs(const std::string& key, const std::string& left,
                                        const std::string& right) const;

  [[nodiscard]] std::string label(const std::string& key) const { return "'" + key + "' of " + what_; }

 private:
  const detail::YamlNode& node_;
  std::string what_;
};

}  // namespace sluice::launch
