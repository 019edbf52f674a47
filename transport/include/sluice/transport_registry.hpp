#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sluice/export.hpp>
#include <sluice/plugin.hpp>
#include <sluice/transport.hpp>

namespace sluice {

/// A plugin file and what became of it.
struct PluginInfo {
  std::string path;         ///< Empty for one that is linked in.
  std::string name;         ///< The word after `transport:`; this and what follows is empty when `error` is not.
  std::string version;      ///< The plugin's own.
  std::string description;  ///< One line.
  TransportTraits traits;   ///< The most that it can do.
  std::string error;        ///< Why it cannot be used; empty when it can.
};

/// Finds, checks and keeps transports. A file that cannot be used is remembered with its reason and changes nothing
/// else; the reason is part of the error when a topic asks for a transport that is not there. Libraries are loaded on
/// first use and stay loaded: code may still be running in them. Any thread.
class SLUICE_EXPORT TransportRegistry {
 public:
  /// Searches SLUICE_PLUGIN_PATH (directories, separated by colons), then `directories`, then the directory that was
  /// installed with this library (lib/sluice/plugins). The first plugin of a name wins.
  explicit TransportRegistry(const std::vector<std::string>& directories = {});

  /// Throws Error when no usable plugin has that name: names the ones there are, and the broken ones with their
  /// reasons.
  [[nodiscard]] Transport& get(const std::string& name);

  /// Every plugin file found, usable or not, in search order.
  [[nodiscard]] const std::vector<PluginInfo>& plugins() const noexcept { return plugins_; }

  /// Every usable transport, by name.
  [[nodiscard]] std::vector<std::string> names() const;

  /// Throws, in one sentence that names the topic, the place and the remedy, if `spec` asks its transport for what it
  /// cannot do, or an option is wrong.
  void check(const TopicSpec& spec);

 private:
  struct Loaded {
    const PluginDescriptor* descriptor;
    std::unique_ptr<Transport> transport;
  };

  void add_builtin(const PluginDescriptor& descriptor);
  void add_directory(const std::string& directory, bool must_exist);
  void add_file(const std::string& path);

  std::mutex mutex_;
  std::vector<PluginInfo> plugins_;
  std::map<std::string, Loaded> loaded_;
};

/// Reads one plugin file; the error of the result says why it cannot be used. On success `descriptor` is set.
[[nodiscard]] SLUICE_EXPORT PluginInfo inspect_plugin(const std::string& path, const PluginDescriptor** descriptor);

}  // namespace sluice
