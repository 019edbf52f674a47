#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/error.hpp>
#include <sluice/export.hpp>
#include <sluice/topic_spec.hpp>

namespace sluice {

/// Domain-wide settings, each with the place it came from.
struct DomainSettings {
  std::uint32_t domain = 0;   ///< YAML `domain`, environment SLUICE_DOMAIN. Domains never see each other.
  std::string runtime_dir;    ///< YAML `runtime_dir`, environment SLUICE_RUNTIME_DIR; default /dev/shm/sluice-UID.
  std::uint32_t mode = 0600;  ///< YAML `mode`: permissions of the files, whatever the umask.
  std::string group;          ///< YAML `group`: group of the files; empty: the process's own.
  std::vector<std::string> plugin_path;  ///< YAML `plugin_path`: directories searched for plugins, in order.
  std::string log_level = "info";        ///< YAML `log_level`, environment SLUICE_LOG_LEVEL: trace to critical, or off.
  std::string log_dir;                   ///< YAML `log_dir`, environment SLUICE_LOG_DIR; empty: stderr only.
  std::uint64_t log_max_size = 10 << 20;  ///< YAML `log_max_size`: bytes of a log file; then the next one begins.
  std::uint32_t log_files = 3;            ///< YAML `log_files`: of each process; older ones are removed.
  std::map<std::string, Origin> origins;  ///< YAML key -> where the value above came from.

  /// runtime_dir/domain-N: where everything of this domain lives.
  [[nodiscard]] std::string directory() const { return runtime_dir + "/domain-" + std::to_string(domain); }
};

/// A parameter's value in `nodes`, and where it is written.
struct ConfiguredParameter {
  std::string text;          ///< As after --param: a list as JSON, anything else as it is.
  Origin origin;             ///< For errors.
  bool for_one_node = true;  ///< Not by a pattern: whoever wrote it expects this node to have it.
};

/// The configuration of a process: YAML files, environment and defaults, resolved topic by topic.
/// Immutable after loading, so any thread may use it.
class SLUICE_EXPORT Config {
 public:
  /// Only defaults and the environment.
  Config();

  /// Loads files in order; later files override earlier ones key by key. Throws ConfigError.
  [[nodiscard]] static Config load(const std::vector<std::string>& paths);

  /// As load; without paths the files in the environment variable SLUICE_CONFIG (separated by colons), if any.
  [[nodiscard]] static Config load_or_environment(const std::vector<std::string>& paths);

  /// As load, from text; `source` names it in errors.
  [[nodiscard]] static Config parse(const std::string& text, const std::string& source);

  /// The settings above the topics. The reference is good as long as this Config.
  [[nodiscard]] const DomainSettings& domain() const noexcept;

  /// The settings of a fully qualified topic: defaults, then matching wildcards from the least to the most specific,
  /// then the exact entry. Throws ConfigError for settings that contradict each other (both places are named).
  [[nodiscard]] TopicSpec topic(std::string_view name) const;

  /// Whether any entry, exact or wildcard, names this topic.
  [[nodiscard]] bool mentions(std::string_view name) const;

  /// Exact topic names in the files, sorted.
  [[nodiscard]] std::vector<std::string> topic_names() const;

  /// Wildcard patterns in the files, sorted.
  [[nodiscard]] std::vector<std::string> topic_patterns() const;

  /// What `nodes` says about the parameters of a fully qualified node, by name; the most specific entry wins. Throws
  /// ConfigError when two entries tie and disagree (both places are named).
  [[nodiscard]] std::map<std::string, ConfiguredParameter> parameters(std::string_view node) const;

  /// Exact node names in the files, sorted.
  [[nodiscard]] std::vector<std::string> node_names() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace sluice
