#include <cstdio>
#include <iostream>
#include <set>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/graph.hpp>

#include "commands/commands.hpp"
#include "commands/graph_look.hpp"

namespace sluice::commands {

namespace {

using Endpoints = std::vector<const EndpointInfo*>;

Endpoints of_node(const std::vector<EndpointInfo>& endpoints, const std::string& node) {
  Endpoints found;
  for (const EndpointInfo& endpoint : endpoints) {
    if (endpoint.node == node) found.push_back(&endpoint);
  }
  return found;
}

std::string type_text(const EndpointInfo& endpoint) { return endpoint.type.empty() ? "bytes" : endpoint.type; }

const char* side(const EndpointInfo& endpoint) {
  return endpoint.kind == EndpointKind::publisher ? "publisher" : "subscription";
}

void print_side(const Endpoints& endpoints, const char* title, EndpointKind kind) {
  std::printf("  %s:\n", title);
  std::set<std::string> lines;  // a node with two subscriptions of one topic has one line, as in ROS 2
  for (const EndpointInfo* endpoint : endpoints) {
    if (endpoint->kind == kind) lines.insert(endpoint->topic + ": " + type_text(*endpoint));
  }
  for (const std::string& line : lines) std::printf("    %s\n", line.c_str());
}

void print(const std::string& node, const ProcessInfo& process) {
  const Endpoints endpoints = of_node(process.endpoints, node);
  std::printf("%s\n", node.c_str());
  print_side(endpoints, "Subscribers", EndpointKind::subscription);
  print_side(endpoints, "Publishers", EndpointKind::publisher);
  if (const Endpoints refused = of_node(process.refused, node); !refused.empty()) {
    std::printf("  Refused:\n");
    for (const EndpointInfo* endpoint : refused) {
      std::printf("    %s: %s: %s\n", endpoint->topic.c_str(), side(*endpoint), endpoint->refused.c_str());
    }
  }
  std::printf("  Process: %lld\n  Executable: %s\n", static_cast<long long>(process.pid), process.executable.c_str());
  const std::string because = process.late_because.empty() ? "" : " (" + process.late_because + ")";
  std::printf("  State: %s%s\n", to_string(process.liveliness), because.c_str());
}

nlohmann::json to_json(const std::string& node, const ProcessInfo& process) {
  auto subscribers = nlohmann::json::array();
  auto publishers = nlohmann::json::array();
  auto refused = nlohmann::json::array();
  for (const EndpointInfo* endpoint : of_node(process.endpoints, node)) {
    (endpoint->kind == EndpointKind::publisher ? publishers : subscribers)
        .push_back({{"topic", endpoint->topic}, {"type", endpoint->type}, {"transport", endpoint->transport}});
  }
  for (const EndpointInfo* endpoint : of_node(process.refused, node)) {
    refused.push_back({{"topic", endpoint->topic}, {"kind", side(*endpoint)}, {"reason", endpoint->refused}});
  }
  return {{"node", node},
          {"pid", process.pid},
          {"executable", process.executable},
          {"liveliness", to_string(process.liveliness)},
          {"late_because", process.late_because},
          {"subscriptions", subscribers},
          {"publishers", publishers},
          {"refused", refused}};
}

}  // namespace

int node_info(const Common& common, const std::string& name) {
  const GraphSnapshot graph = look_at_graph(Config::load_or_environment(common.config_files).domain());
  const std::string wanted = name.starts_with('/') ? name : "/" + name;
  std::vector<std::string> names;
  auto json = nlohmann::json::array();  // nothing keeps two processes from naming their nodes alike
  for (const ProcessInfo& process : graph.processes) {
    for (const std::string& node : process.nodes) {
      names.push_back(node);
      if (node != wanted) continue;
      if (!common.json) print(node, process);
      json.push_back(to_json(node, process));
    }
  }
  if (json.empty()) {
    std::fprintf(stderr, "Unknown node '%s'%s\n", wanted.c_str(), did_you_mean(wanted, names).c_str());
    return 1;
  }
  if (common.json) std::cout << json.dump(2) << "\n";
  return 0;
}

}  // namespace sluice::commands
