#include "commands/commands.hpp"

#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include <sluice/config.hpp>
#include <sluice/transport_registry.hpp>

namespace sluice::commands {

int plugin_list(const Common& common) {
  const TransportRegistry registry(Config::load_or_environment(common.config_files).domain().plugin_path);
  bool broken = false;
  auto json = nlohmann::json::array();
  for (const PluginInfo& plugin : registry.plugins()) {
    const std::string path = plugin.path.empty() ? "(linked in)" : plugin.path;
    const auto traits = trait_names(plugin.traits);
    json.push_back({{"name", plugin.name},
                    {"version", plugin.version},
                    {"description", plugin.description},
                    {"path", path},
                    {"traits", traits},
                    {"error", plugin.error}});
    if (!plugin.error.empty()) {
      broken = true;
      std::fprintf(stderr, "error: plugin '%s' %s\n", path.c_str(), plugin.error.c_str());
    } else if (!common.json) {
      std::string words;
      for (const std::string& trait : traits) words += (words.empty() ? "" : ", ") + trait;
      std::printf("%s %s: %s\n  path:   %s\n  traits: %s\n", plugin.name.c_str(), plugin.version.c_str(),
                  plugin.description.c_str(), path.c_str(), words.c_str());
    }
  }
  if (common.json) std::cout << json.dump(2) << "\n";
  return broken ? 1 : 0;
}

}  // namespace sluice::commands
