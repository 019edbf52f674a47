#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/export.hpp>
#include <sluice/topic_spec.hpp>

namespace sluice {

/// Reads a topic's transport options with the right error for everything that is wrong with one: for plugins'
/// Transport::validate. Every function throws ConfigError at the option's own place in the YAML.
class SLUICE_EXPORT OptionReader {
 public:
  /// Keeps a reference to `spec`.
  explicit OptionReader(const TopicSpec& spec) : spec_(spec) {}

  /// Whether the YAML sets it.
  [[nodiscard]] bool has(const std::string& key) const { return spec_.options.count(key) != 0; }

  /// Refuses every option that is not in `known`, with the nearest of them and of the settings that every topic has, or
  /// else with all of `known`. `what` completes "is no option of ...".
  void require_known(const std::vector<std::string>& known, const std::string& what) const;

  [[nodiscard]] std::string text(const std::string& key) const;  ///< Empty if absent.

  /// In bytes, written with a unit ("64KiB"); refuses an absent one and what is not between the bounds.
  [[nodiscard]] std::size_t size(const std::string& key, std::size_t least, std::size_t most) const;

  /// `otherwise` if absent; refuses what is not a whole number between the bounds.
  [[nodiscard]] std::uint32_t number(const std::string& key, std::uint32_t otherwise, std::uint32_t least,
                                     std::uint32_t most) const;

  /// Written with a unit ("100ms"); `otherwise` if absent.
  [[nodiscard]] std::chrono::nanoseconds duration(const std::string& key, std::chrono::nanoseconds otherwise) const;

  /// `true` or `false` and no other word; `otherwise` if absent.
  [[nodiscard]] bool boolean(const std::string& key, bool otherwise) const;

  /// Written in octal, as chmod takes it ("0660"); nothing if absent; refuses what would shut out its own user.
  [[nodiscard]] std::optional<std::uint32_t> file_mode(const std::string& key) const;

  /// Throws: "FILE:LINE:COL: topic '/x': KEY: MESSAGE".
  [[noreturn]] void refuse(const std::string& key, const std::string& message) const;

 private:
  const TopicSpec& spec_;
};

}  // namespace sluice
