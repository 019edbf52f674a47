#include "commands/commands.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include <sluice/graph.hpp>

#include "commands/graph_look.hpp"

namespace sluice::commands {

namespace {

GraphSnapshot look(const Common& common) {
  return look_at_graph(Config::load_or_environment(common.config_files).domain());
}

/// Endpoints of one side.
struct Side {
  std::size_t open = 0;     ///< Of living processes.
  std::size_t late = 0;     ///< Of those.
  std::size_t lost = 0;     ///< Their processes died.
  std::size_t refused = 0;  ///< Could not be opened.

  void add(Liveliness liveliness) {
    late += liveliness == Liveliness::late ? 1 : 0;
    ++(liveliness == Liveliness::lost ? lost : open);
  }

  [[nodiscard]] std::size_t all() const { return open + lost + refused; }

  /// " (1 late, 2 refused)"; empty: all is well.
  [[nodiscard]] std::string troubles() const {
    std::string text;
    const std::array<std::pair<std::size_t, const char*>, 3> counts{
        {{late, "late"}, {lost, "lost"}, {refused, "refused"}}};
    for (const auto& [count, word] : counts) {
      if (count != 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + word;
    }
    return text.empty() ? "" : " (" + text + ")";
  }
};

struct Topic {
  std::set<std::string> types;
  Side publishers;
  Side subscriptions;
  std::string transport;

  [[nodiscard]] Side& side(EndpointKind kind) { return kind == EndpointKind::publisher ? publishers : subscriptions; }

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
      topic.side(endpoint.kind).add(process.liveliness);
    }
  }
  return topics;
}

/// Adds who cannot take part: `topics` has them although nobody has them open.
void add_absent(const GraphSnapshot& graph, std::map<std::string, Topic>& topics) {
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& endpoint : process.refused) ++topics[endpoint.topic].side(endpoint.kind).refused;
  }
  for (const ProcessInfo& process : graph.lost) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      topics[endpoint.topic].side(endpoint.kind).add(Liveliness::lost);
    }
  }
}

nlohmann::json json_of(const Side& side) {
  return {{"late", side.late}, {"lost", side.lost}, {"refused", side.refused}};
}

void print_side(const std::map<std::string, Topic>& topics, const char* title, const char* word, Side Topic::*which) {
  std::printf("%s topics:\n", title);
  for (const auto& [name, topic] : topics) {
    const Side& side = topic.*which;
    if (side.all() == 0) continue;
    std::printf(" * %s [%s] %zu %s%s%s\n", name.c_str(), topic.type_text().c_str(), side.open, word,
                side.open == 1 ? "" : "s", side.troubles().c_str());
  }
}

/// Sorted by name, as without the details.
void print_nodes(const GraphSnapshot& graph) {
  std::multimap<std::string, const ProcessInfo*> nodes;
  std::size_t width = 0;
  for (const ProcessInfo& process : graph.processes) {
    for (const std::string& node : process.nodes) {
      nodes.emplace(node, &process);
      width = std::max(width, node.size());
    }
  }
  for (const auto& [node, process] : nodes) {
    const std::string because = process->late_because.empty() ? "" : " (" + process->late_because + ")";
    std::printf("%-*s  %8lld  %-16s  %s%s\n", static_cast<int>(width), node.c_str(),
                static_cast<long long>(process->pid), process->executable.c_str(), to_string(process->liveliness),
                because.c_str());
  }
}

}  // namespace

GraphSnapshot look_at_graph(const DomainSettings& domain) {
  GraphSnapshot graph = read_graph(domain);
  for (const std::string& problem : graph.problems) std::fprintf(stderr, "warning: %s\n", problem.c_str());
  return graph;
}

int node_list(const Common& common, const NodeListOptions& options) {
  const GraphSnapshot graph = look(common);
  std::multiset<std::string> names;
  auto json = nlohmann::json::array();
  for (const ProcessInfo& process : graph.processes) {
    for (const std::string& node : process.nodes) {
      names.insert(node);
      json.push_back({{"node", node},
                      {"pid", process.pid},
                      {"executable", process.executable},
                      {"liveliness", to_string(process.liveliness)},
                      {"late_because", process.late_because}});
    }
  }
  if (common.json) {
    std::cout << json.dump(2) << "\n";
  } else if (options.count_only) {
    std::printf("%zu\n", names.size());
  } else if (options.verbose) {
    print_nodes(graph);
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
  const GraphSnapshot graph = look(common);
  auto topics = topics_of(graph);
  if (options.verbose) add_absent(graph, topics);
  if (common.json) {
    auto json = nlohmann::json::array();
    for (const auto& [name, topic] : topics) {
      json.push_back({{"topic", name},
                      {"types", topic.types},
                      {"transport", topic.transport},
                      {"publishers", topic.publishers.open},
                      {"subscriptions", topic.subscriptions.open}});
      if (!options.verbose) continue;
      json.back()["publisher_states"] = json_of(topic.publishers);
      json.back()["subscription_states"] = json_of(topic.subscriptions);
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
