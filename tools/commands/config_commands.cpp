#include "commands/commands.hpp"

#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include <sluice/config.hpp>
#include <sluice/transport_registry.hpp>
#include <sluice/units.hpp>

namespace sluice::commands {

namespace {

struct Setting {
  std::string key;
  std::string value;
  std::string origin;
};

std::string octal(std::uint32_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode);
  return text;
}

std::string list_text(const std::vector<std::string>& words) {
  std::string text = "[";
  for (const std::string& word : words) text += (text.size() == 1 ? "" : ", ") + word;
  return text + "]";
}

std::vector<Setting> settings_of(const DomainSettings& domain) {
  const auto origin = [&](const char* key) {
    const auto found = domain.origins.find(key);
    return found == domain.origins.end() ? std::string("default") : found->second.text();
  };
  return {{"domain", std::to_string(domain.domain), origin("domain")},
          {"runtime_dir", domain.runtime_dir, origin("runtime_dir")},
          {"mode", octal(domain.mode), origin("mode")},
          {"group", domain.group.empty() ? "(the process's own)" : domain.group, origin("group")},
          {"plugin_path", list_text(domain.plugin_path), origin("plugin_path")},
          {"log_level", domain.log_level, origin("log_level")},
          {"log_dir", domain.log_dir.empty() ? "(stderr only)" : domain.log_dir, origin("log_dir")},
          {"log_max_size", format_size(domain.log_max_size), origin("log_max_size")},
          {"log_files", std::to_string(domain.log_files), origin("log_files")}};
}

std::vector<Setting> settings_of(const TopicSpec& spec) {
  const auto origin = [&](const char* key) { return spec.origin(key).text(); };
  const auto optional = [](const auto& duration) {
    return duration ? format_duration(*duration) : std::string("none");
  };
  const bool reliable = spec.qos.reliability == Reliability::reliable;
  const bool local = spec.qos.durability == Durability::transient_local;
  std::vector<Setting> settings{
      {"type", spec.type.name.empty() ? "(the program's)" : spec.type.name, origin("type")},
      {"transport", spec.transport, origin("transport")},
      {"max_size", format_size(spec.max_size), origin("max_size")},
      {"reliability", reliable ? "reliable" : "best_effort", origin("reliability")},
      {"depth", std::to_string(spec.qos.depth), origin("depth")},
      {"durability", local ? "transient_local" : "volatile", origin("durability")},
      {"history", std::to_string(spec.qos.history), origin("history")},
      {"deadline", optional(spec.qos.deadline), origin("deadline")},
      {"liveliness", optional(spec.qos.liveliness_lease), origin("liveliness")},
      {"timestamps", spec.timestamps ? "true" : "false", origin("timestamps")},
  };
  if (reliable) {
    settings.push_back({"max_blocking_time", format_duration(spec.qos.max_blocking_time), origin("max_blocking_time")});
  }
  for (const auto& [key, option] : spec.options) settings.push_back({key, option.value, option.origin.text()});
  return settings;
}

std::vector<Setting> parameters_of(const Config& config, const std::string& node) {
  std::vector<Setting> settings;
  for (const auto& [name, value] : config.parameters(node)) {
    settings.push_back({name, value.text, value.origin.text()});
  }
  return settings;
}

nlohmann::json to_json(const std::vector<Setting>& settings) {
  nlohmann::json json;
  for (const Setting& setting : settings) json[setting.key] = {{"value", setting.value}, {"origin", setting.origin}};
  return json;
}

void print(const std::string& title, const std::vector<Setting>& settings, const char* indent) {
  std::printf("%s\n", title.c_str());
  for (const Setting& setting : settings) {
    std::printf("%s%-18s %-24s # %s\n", indent, (setting.key + ":").c_str(), setting.value.c_str(),
                setting.origin.c_str());
  }
}

}  // namespace

int config_check(const Common& common, const std::vector<std::string>& files) {
  const Config config = Config::load_or_environment(files);
  TransportRegistry transports(config.domain().plugin_path);
  for (const std::string& topic : config.topic_names()) transports.check(config.topic(topic));
  const std::size_t topics = config.topic_names().size();
  const std::size_t patterns = config.topic_patterns().size();
  if (common.json) {
    std::cout << nlohmann::json{{"ok", true}, {"topics", topics}, {"patterns", patterns}}.dump() << "\n";
  } else {
    std::printf("ok: %zu topic%s, %zu wildcard%s\n", topics, topics == 1 ? "" : "s", patterns,
                patterns == 1 ? "" : "s");
  }
  return 0;
}

int config_show(const Common& common, const std::vector<std::string>& files, const std::vector<std::string>& topics) {
  const Config config = Config::load_or_environment(files);
  const std::vector<std::string> names = topics.empty() ? config.topic_names() : topics;
  if (common.json) {
    nlohmann::json json{{"domain", to_json(settings_of(config.domain()))}, {"topics", nlohmann::json::object()}};
    for (const std::string& name : names) json["topics"][name] = to_json(settings_of(config.topic(name)));
    json["nodes"] = nlohmann::json::object();
    for (const std::string& name : config.node_names()) json["nodes"][name] = to_json(parameters_of(config, name));
    std::cout << json.dump(2) << "\n";
    return 0;
  }
  print("# domain", settings_of(config.domain()), "");
  for (const std::string& name : names) {
    std::printf("\n");
    print(name + ":", settings_of(config.topic(name)), "  ");
  }
  if (!topics.empty()) return 0;
  for (const std::string& name : config.node_names()) {
    std::printf("\n");
    print(name + ":", parameters_of(config, name), "  ");
  }
  return 0;
}

}  // namespace sluice::commands
