#include "commands/commands.hpp"

#include <cstdio>
#include <iostream>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include <sluice/graph.hpp>

#include "commands/graph_look.hpp"

namespace sluice::commands {

namespace {

GraphSnapshot look(const Common& common) {
  return look_at_graph(Config::load_or_environment(common.config_files).domain());
}

struct Topic {
  std::set<std::string> types;
  std::size_t publishers = 0;
  std::size_t subscriptions = 0;
  std::string transport;

  [[nodiscard]] std::string type_text() const {
    std::string text;
    for (const std::string& type : types) text += (text.empty() ? "" : ", ") + type;
    return text.empty() ? "bytes" : text;
  }
};

std::map<std::string, Topic> topics_of(const GraphSnapshot& graph) {
  std::map<std::string, Topic> topics;
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      Topic& topic = topics[endpoint.topic];
      if (!endpoint.type.empty()) topic.types.insert(endpoint.type);
      topic.transport = endpoint.transport;
      ++(endpoint.kind == EndpointKind::publisher ? topic.publishers : topic.subscriptions);
    }
  }
  return topics;
}

void print_side(const std::map<std::string, Topic>& topics, const char* title, const char* word,
                std::size_t Topic::*count) {
  std::printf("%s topics:\n", title);
  for (const auto& [name, topic] : topics) {
    if (topic.*count == 0) continue;
    std::printf(" * %s [%s] %zu %s%s\n", name.c_str(), topic.type_text().c_str(), topic.*count, word,
                topic.*count == 1 ? "" : "s");
  }
}

}  // namespace

GraphSnapshot look_at_graph(const DomainSettings& domain) {
  GraphSnapshot graph = read_graph(domain);
  for (const std::string& problem : graph.problems) std::fprintf(stderr, "warning: %s\n", problem.c_str());
  return graph;
}

int node_list(const Common& common, bool count_only) {
  const GraphSnapshot graph = look(common);
  std::multiset<std::string> names;
  auto json = nlohmann::json::array();
  for (const ProcessInfo& process : graph.processes) {
    for (const std::string& node : process.nodes) {
      names.insert(node);
      json.push_back({{"node", node}, {"pid", process.pid}, {"executable", process.executable}});
    }
  }
  if (common.json) {
    std::cout << json.dump(2) << "\n";
  } else if (count_only) {
    std::printf("%zu\n", names.size());
  } else {
    for (const std::string& name : names) std::printf("%s\n", name.c_str());
  }
  for (auto name = names.begin(); name != names.end(); name = names.upper_bound(*name)) {
    if (names.count(*name) > 1) {
      std::fprintf(stderr, "warning: %zu nodes are named '%s'\n", names.count(*name), name->c_str());
    }
  }
  return 0;
}

int topic_list(const Common& common, const TopicListOptions& options) {
  const auto topics = topics_of(look(common));
  if (common.json) {
    auto json = nlohmann::json::array();
    for (const auto& [name, topic] : topics) {
      json.push_back({{"topic", name},
                      {"types", topic.types},
                      {"transport", topic.transport},
                      {"publishers", topic.publishers},
                      {"subscriptions", topic.subscriptions}});
    }
    std::cout << json.dump(2) << "\n";
    return 0;
  }
  if (options.count_only) {
    std::printf("%zu\n", topics.size());
    return 0;
  }
  if (options.verbose) {
    print_side(topics, "Published", "publisher", &Topic::publishers);
    std::printf("\n");
    print_side(topics, "Subscribed", "subscriber", &Topic::subscriptions);
    return 0;
  }
  for (const auto& [name, topic] : topics) {
    std::printf(options.types ? "%s [%s]\n" : "%s\n", name.c_str(), topic.type_text().c_str());
  }
  return 0;
}

int topic_find(const Common& common, const std::string& type) {
  auto json = nlohmann::json::array();
  for (const auto& [name, topic] : topics_of(look(common))) {
    if (!topic.types.contains(type)) continue;
    json.push_back(name);
    if (!common.json) std::printf("%s\n", name.c_str());
  }
  if (common.json) std::cout << json.dump(2) << "\n";
  return json.empty() ? 1 : 0;
}

}  // namespace sluice::commands
