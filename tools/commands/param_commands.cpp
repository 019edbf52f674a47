#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>
#include <regex>

#include <nlohmann/json.hpp>

#include <sluice/detail/parameter_file.hpp>
#include <sluice/detail/quote.hpp>
#include <sluice/error.hpp>

#include "commands/control_client.hpp"
#include "commands/control_commands.hpp"
#include "commands/graph_look.hpp"
#include "commands/json_output.hpp"

namespace sluice::commands {

namespace {

using nlohmann::json;

struct FoundNode {
  ProcessInfo process;
  std::string node;
};

std::vector<FoundNode> nodes_of(const Common& common) {
  std::vector<FoundNode> found;
  for (const auto& process : look_at_graph(Config::load_or_environment(common.config_files).domain()).processes) {
    for (const std::string& node : process.nodes) found.push_back({process, node});
  }
  return found;
}

FoundNode find_node(const Common& common, const std::string& written) {
  const std::string wanted = written.starts_with('/') ? written : "/" + written;
  std::vector<std::string> names;
  for (FoundNode& found : nodes_of(common)) {
    if (found.node == wanted) return std::move(found);
    names.push_back(found.node);
  }
  throw Error("there is no node " + detail::quote(wanted) + " in the domain" + did_you_mean(wanted, names));
}

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// ROS 2's words: "Integer value is: 3", "Double values are: [1.0, 2.0]".
std::string announced(const std::string& type) {
  const bool list = type.ends_with("_array");
  std::string word = type == "bool" ? "boolean" : type.substr(0, type.find('_'));
  word.front() = static_cast<char>(word.front() - 'a' + 'A');
  return word + (list ? " values are: " : " value is: ");
}

json described(const Common& common, const std::string& node, const std::string& name) {
  const FoundNode found = find_node(common, node);
  return ask(found.process, found.node, {{"request", "describe_parameter"}, {"name", name}})["parameter"];
}

std::optional<std::regex> filter_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  try {
    return std::regex(text);
  } catch (const std::regex_error& error) {
    throw Error("--filter " + detail::quote(text) + " is no regular expression: " + error.what());
  }
}

json filtered(const json& parameters, const std::optional<std::regex>& filter) {
  json kept = json::array();
  for (const json& parameter : parameters) {
    if (!filter || std::regex_search(text_of(parameter["name"]), *filter)) kept.push_back(parameter);
  }
  return kept;
}

/// What became of one value of a file.
struct LoadedParameter {
  enum class Outcome { set, unchanged, refused };
  Outcome outcome = Outcome::set;
  std::string reason;
};

/// A dump also holds what is read-only: that is no reason to refuse it while the values agree.
LoadedParameter load_one(const FoundNode& found, const std::string& name, const std::string& text) {
  try {
    const json now = ask(found.process, found.node, {{"request", "describe_parameter"}, {"name", name}})["parameter"];
    const json& value = now["value"];
    const bool same = text_of(value) == text || (!value.is_string() && value == json::parse(text, nullptr, false));
    if (now["read_only"] == true && same) return {LoadedParameter::Outcome::unchanged, ""};
    (void)ask(found.process, found.node, {{"request", "set_parameter"}, {"name", name}, {"value", text}});
    return {};
  } catch (const Error& error) {
    return {LoadedParameter::Outcome::refused, error.what()};
  }
}

}  // namespace

int param_list(const Common& common, const ParamListOptions& options) {
  const std::optional<std::regex> filter = filter_of(options.filter);
  json all = json::object();
  std::vector<FoundNode> nodes = nodes_of(common);
  if (!options.node.empty()) nodes = {find_node(common, options.node)};
  int code = 0;
  for (const FoundNode& found : nodes) {
    try {
      all[found.node] =
          filtered(ask(found.process, found.node, {{"request", "list_parameters"}})["parameters"], filter);
    } catch (const Error& error) {
      std::fprintf(stderr, "sluice: %s\n", error.what());
      code = 2;
    }
  }
  if (common.json) {
    print_json(all);
    return code;
  }
  for (const auto& [name, parameters] : all.items()) {
    std::printf("%s:\n", name.c_str());
    for (const json& parameter : parameters) {
      std::printf("  %s%s\n", text_of(parameter["name"]).c_str(),
                  options.types ? (" (type: " + text_of(parameter["type"]) + ")").c_str() : "");
    }
  }
  return code;
}

int param_get(const Common& common, const std::string& node, const std::string& name, bool hide_type) {
  const json parameter = described(common, node, name);
  if (common.json) {
    print_json(parameter);
  } else {
    const std::string intro = hide_type ? "" : announced(parameter["type"]);
    std::printf("%s%s\n", intro.c_str(), text_of(parameter["value"]).c_str());
  }
  return 0;
}

int param_set(const Common& common, const std::string& node, const std::string& name, const std::string& value) {
  const FoundNode found = find_node(common, node);
  (void)ask(found.process, found.node, {{"request", "describe_parameter"}, {"name", name}});  // exit code 2 without it
  try {
    const json answer =
        ask(found.process, found.node, {{"request", "set_parameter"}, {"name", name}, {"value", value}});
    if (common.json) {
      print_json(answer["parameter"]);
    } else {
      std::printf("Set parameter successful\n");
    }
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "Setting parameter failed: %s\n", error.what());
    return 1;
  }
}

int param_describe(const Common& common, const std::string& node, const std::string& name) {
  const json parameter = described(common, node, name);
  if (common.json) {
    print_json(parameter);
    return 0;
  }
  std::printf("Parameter name: %s\n  Type: %s\n", name.c_str(), text_of(parameter["type"]).c_str());
  if (const std::string text = text_of(parameter["description"]); !text.empty()) {
    std::printf("  Description: %s\n", text.c_str());
  }
  std::printf("  Constraints:\n");
  if (parameter["read_only"] == true) std::printf("    Read only: true\n");
  if (parameter.contains("minimum")) std::printf("    Min value: %s\n", text_of(parameter["minimum"]).c_str());
  if (parameter.contains("maximum")) std::printf("    Max value: %s\n", text_of(parameter["maximum"]).c_str());
  return 0;
}

/// A JSON value is a YAML value.
int param_dump(const Common& common, const std::string& node) {
  const FoundNode found = find_node(common, node);
  json values = json::object();
  const json answer = ask(found.process, found.node, {{"request", "list_parameters"}});
  for (const json& parameter : answer["parameters"]) {
    values[text_of(parameter["name"])] = parameter["value"];
  }
  if (common.json) {
    print_json({{found.node, {{"ros__parameters", values}}}});
    return 0;
  }
  std::printf("%s:\n  ros__parameters:%s\n", found.node.c_str(), values.empty() ? " {}" : "");
  for (const auto& [name, value] : values.items()) {
    std::printf("    %s: %s\n", json(name).dump().c_str(),
                value.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }
  return 0;
}

int param_load(const Common& common, const std::string& node, const std::string& file) {
  const FoundNode found = find_node(common, node);
  const auto values = detail::load_parameter_file(file, found.node);
  (void)ask(found.process, found.node, {{"request", "info"}});  // exit code 2 for all when it does not answer
  json report{{"node", found.node}, {"set", json::array()}, {"unchanged", json::array()}, {"refused", json::array()}};
  for (const auto& [name, value] : values) {
    const LoadedParameter loaded = load_one(found, name, value.text);
    if (loaded.outcome == LoadedParameter::Outcome::refused) {
      report["refused"].push_back({{"name", name}, {"reason", loaded.reason}, {"place", value.origin.text()}});
      std::fprintf(stderr, "Set parameter %s failed: %s: %s\n", name.c_str(), value.origin.text().c_str(),
                   loaded.reason.c_str());
      continue;
    }
    const bool set = loaded.outcome == LoadedParameter::Outcome::set;
    report[set ? "set" : "unchanged"].push_back(name);
    if (!common.json) std::printf("Set parameter %s %s\n", name.c_str(), set ? "successful" : "not needed: read-only");
  }
  if (common.json) print_json(report);
  return report["refused"].empty() ? 0 : 1;
}

int node_shutdown(const Common& common, const std::string& node) {
  const FoundNode found = find_node(common, node);
  (void)ask(found.process, found.node, {{"request", "shutdown"}});
  if (common.json) {
    print_json({{"node", found.node}, {"pid", found.process.pid}});
  } else {
    std::printf("%s ends (process %lld)\n", found.node.c_str(), static_cast<long long>(found.process.pid));
  }
  return 0;
}

int node_log_level(const Common& common, const std::string& node, const std::string& level) {
  const FoundNode found = find_node(common, node);
  json request{{"request", level.empty() ? "get_log_level" : "set_log_level"}};
  if (!level.empty()) request["value"] = level;
  const json answer = ask(found.process, found.node, request);
  if (common.json) {
    print_json({{"node", found.node}, {"log_level", answer["log_level"]}});
  } else {
    std::printf("%s\n", text_of(answer["log_level"]).c_str());
  }
  return 0;
}

}  // namespace sluice::commands
