#include <sluice/detail/yaml_document.hpp>

#include <sluice/detail/quote.hpp>

#include <algorithm>

namespace sluice::detail {

namespace {

/// Edit distance is quadratic; nothing longer than this is a typing mistake of a key.
constexpr std::size_t kLongestTypo = 64;

std::string remedy_for_unknown(const std::string& key, const std::vector<std::string>& known) {
  std::string suggestion = key.size() <= kLongestTypo ? did_you_mean(key, known) : std::string{};
  if (!suggestion.empty()) return suggestion;
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  return "; accepted are " + list;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const noexcept {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  return found == entries_.end() ? nullptr : &found->value;
}

std::string YamlNode::describe() const {
  switch (kind_) {
    case Kind::null: return "nothing";
    case Kind::scalar: return "the value " + quote(text_);
    case Kind::sequence: return "a list";
    case Kind::mapping: return "a mapping";
  }
  return "nothing";
}

void YamlNode::require_mapping(std::string_view what) const {
  if (!is_mapping()) throw ConfigError(origin_, std::string{what} + ": expected a mapping, found " + describe());
}

void YamlNode::require_sequence(std::string_view what) const {
  if (!is_sequence()) throw ConfigError(origin_, std::string{what} + ": expected a list, found " + describe());
}

const std::string& YamlNode::require_text(std::string_view what) const {
  if (!is_scalar()) throw ConfigError(origin_, std::string{what} + ": expected a value, found " + describe());
  return text_;
}

bool YamlNode::require_bool(std::string_view what) const {
  if (is_scalar() && !quoted_) {
    if (text_ == "true" || text_ == "True" || text_ == "TRUE") return true;
    if (text_ == "false" || text_ == "False" || text_ == "FALSE") return false;
  }
  throw ConfigError(origin_, std::string{what} + ": expected true or false" + (quoted_ ? " without quotes" : "") +
                                 ", found " + describe());
}

void YamlNode::require_known_keys(std::string_view what, const std::vector<std::string>& known) const {
  for (const Entry& entry : entries_) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    refuse_unknown_key(entry.origin, entry.key, what, known);
  }
}

void refuse_unknown_key(const Origin& origin, const std::string& key, std::string_view what,
                        const std::vector<std::string>& known) {
  throw ConfigError(origin, "unknown key " + quote(key) + " in " + std::string{what} + remedy_for_unknown(key, known));
}

}  // namespace sluice::detail
