#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/error.hpp>
#include <sluice/export.hpp>

namespace sluice::detail {

/// One node of a YAML document with the place it was written at. Built from yaml-cpp's event stream and not from its
/// Node API, which accepts the first of two equal keys and ignores merge keys in silence; both are errors here, and so
/// are explicit tags and a second document in one file. Anchors and aliases work. Immutable after parsing.
class SLUICE_EXPORT YamlNode {
 public:
  enum class Kind { null, scalar, sequence, mapping };
  struct Entry;  // key, key origin, value

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }
  [[nodiscard]] bool is_null() const noexcept { return kind_ == Kind::null; }
  [[nodiscard]] bool is_scalar() const noexcept { return kind_ == Kind::scalar; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind_ == Kind::sequence; }
  [[nodiscard]] bool is_mapping() const noexcept { return kind_ == Kind::mapping; }

  /// The scalar's text as written, without quotes. True in `quoted` means that it was in quotes (so "true" is a word).
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool quoted() const noexcept { return quoted_; }
  [[nodiscard]] const std::vector<YamlNode>& items() const noexcept { return items_; }   ///< of a sequence
  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }  ///< of a mapping, in order
  [[nodiscard]] const YamlNode* find(std::string_view key) const noexcept;               ///< nullptr if absent

  /// "a mapping", "a list", "the value 'x'", "nothing": for error messages.
  [[nodiscard]] std::string describe() const;

  /// These throw ConfigError at this node's place; `what` names the thing, e.g. "topics".
  void require_mapping(std::string_view what) const;
  void require_sequence(std::string_view what) const;
  [[nodiscard]] const std::string& require_text(std::string_view what) const;  ///< any scalar; its text
  [[nodiscard]] bool require_bool(std::string_view what) const;                ///< true, false (YAML 1.2 words)

  /// Refuses a mapping key that is not in `known`, with the nearest known one. `what` reads like "topic '/imu/raw'".
  void require_known_keys(std::string_view what, const std::vector<std::string>& known) const;

 private:
  friend class YamlBuilder;
  Kind kind_ = Kind::null;
  bool quoted_ = false;
  Origin origin_;
  std::string text_;
  std::vector<YamlNode> items_;
  std::vector<Entry> entries_;
};

struct YamlNode::Entry {
  std::string key;
  Origin origin;  ///< of the key
  YamlNode value;
};

/// Throws ConfigError at `origin`: "unknown key KEY in WHAT", with the nearest known one or with all of them.
[[noreturn]] void refuse_unknown_key(const Origin& origin, const std::string& key, std::string_view what,
                                     const std::vector<std::string>& known);

/// Parses the text of one document. `source` is the name used in errors. Throws ConfigError. An empty document is null.
[[nodiscard]] SLUICE_EXPORT YamlNode parse_yaml(const std::string& text, const std::string& source);

/// Reads and parses a file of at most 16 MiB. Throws ConfigError naming the path when it cannot be read.
[[nodiscard]] SLUICE_EXPORT YamlNode load_yaml(const std::string& path);

}  // namespace sluice::detail
