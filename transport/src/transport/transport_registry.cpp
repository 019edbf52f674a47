#include <sluice/transport_registry.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "transport/builtin_plugins.hpp"

namespace sluice {

namespace {

std::string installed_plugin_directory() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&inspect_plugin), &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code error;
  const auto library = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string{} : (library.parent_path() / "sluice" / "plugins").string();
}

std::vector<std::string> split_path(const char* text) {
  std::vector<std::string> parts;
  std::istringstream stream(text == nullptr ? "" : text);
  for (std::string part; std::getline(stream, part, ':');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "none" : text;
}

[[noreturn]] void refuse(const TopicSpec& spec, const std::string& key, const std::string& wish) {
  throw ConfigError(spec.origin(key), "topic '" + spec.name + "': transport '" + spec.transport + "' cannot do '" +
                                          wish + "'; change '" + key + "' or choose another transport");
}

}  // namespace

TransportRegistry::TransportRegistry(const std::vector<std::string>& directories) {
  for (const PluginDescriptor* descriptor : builtin_plugins()) add_builtin(*descriptor);
  for (const std::string& directory : split_path(std::getenv("SLUICE_PLUGIN_PATH"))) add_directory(directory, true);
  for (const std::string& directory : directories) add_directory(directory, true);
  const std::string installed = installed_plugin_directory();
  if (!installed.empty()) add_directory(installed, false);
}

void TransportRegistry::add_builtin(const PluginDescriptor& descriptor) {
  plugins_.push_back({"", descriptor.name, descriptor.version, descriptor.description, descriptor.traits, ""});
  loaded_.emplace(descriptor.name, Loaded{&descriptor, nullptr});
}

void TransportRegistry::add_directory(const std::string& directory, bool must_exist) {
  std::error_code error;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".so") files.push_back(entry.path().string());
  }
  if (error && must_exist) {
    PluginInfo info;
    info.path = directory;
    info.error = "cannot be searched: " + error.message();
    plugins_.push_back(std::move(info));
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) add_file(file);
}

void TransportRegistry::add_file(const std::string& path) {
  const bool seen = std::any_of(plugins_.begin(), plugins_.end(), [&](const auto& p) { return p.path == path; });
  if (seen) return;
  const PluginDescriptor* descriptor = nullptr;
  PluginInfo info = inspect_plugin(path, &descriptor);
  if (descriptor != nullptr && !loaded_.emplace(info.name, Loaded{descriptor, nullptr}).second) {
    info.error = "is hidden by another plugin named '" + info.name + "' that was found earlier";
  }
  plugins_.push_back(std::move(info));
}

std::vector<std::string> TransportRegistry::names() const {
  std::vector<std::string> result;
  for (const auto& [name, loaded] : loaded_) result.push_back(name);
  return result;
}

Transport& TransportRegistry::get(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = loaded_.find(name);
  if (found == loaded_.end()) {
    std::string message = "there is no transport '" + name + "'" + did_you_mean(name, names()) +
                          " (usable: " + join(names()) +
                          "; plugins are searched in SLUICE_PLUGIN_PATH, plugin_path and beside the library)";
    for (const PluginInfo& plugin : plugins_) {
      if (!plugin.error.empty()) message += "; '" + plugin.path + "' " + plugin.error;
    }
    throw Error(message);
  }
  Loaded& loaded = found->second;
  if (!loaded.transport) loaded.transport.reset(loaded.descriptor->create());
  return *loaded.transport;
}

void TransportRegistry::check(const TopicSpec& spec) {
  Transport* transport = nullptr;
  try {
    transport = &get(spec.transport);
  } catch (const Error& error) {
    throw ConfigError(spec.origin("transport"), "topic '" + spec.name + "': " + error.what());
  }
  transport->validate(spec);
  const TransportTraits traits = transport->traits(spec);
  if (spec.qos.reliability == Reliability::reliable && !traits.reliable) refuse(spec, "reliability", "reliable");
  if (spec.qos.durability == Durability::transient_local && !traits.transient_local) {
    refuse(spec, "durability", "transient_local");
  }
}

}  // namespace sluice
