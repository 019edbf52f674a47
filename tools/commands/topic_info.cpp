#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/transport_registry.hpp>
#include <sluice/units.hpp>

#include "commands/commands.hpp"
#include "commands/graph_look.hpp"
#include "commands/plan.hpp"

namespace sluice::commands {

namespace {

struct Endpoint {
  EndpointInfo info;
  std::int64_t pid = 0;
  std::string executable;
};

struct File {
  std::string path;
  std::uint64_t bytes = 0;
  bool exists = false;
};

/// What can be known of a topic: from the graph, and from its transport, if that can be asked.
struct Topic {
  std::string name;
  std::string transport;
  std::set<std::string> types;
  std::vector<Endpoint> publishers;
  std::vector<Endpoint> subscriptions;
  std::vector<File> files;
  std::optional<TopicReport> report;  ///< Only what is so: not what a topic that is not there would be like.
};

Topic find_endpoints(const GraphSnapshot& graph, const std::string& name) {
  Topic topic;
  topic.name = name;
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& info : process.endpoints) {
      if (info.topic != name) continue;
      if (!info.type.empty()) topic.types.insert(info.type);
      topic.transport = info.transport;
      auto& side = info.kind == EndpointKind::publisher ? topic.publishers : topic.subscriptions;
      side.push_back({info, process.pid, process.executable});
    }
  }
  return topic;
}

/// The endpoints' own configuration is not known here: `config` may say less than theirs, or something else.
void ask_transport(Topic& topic, const Config& config) try {
  TopicSpec spec = config.topic(topic.name);
  spec.transport = topic.transport;
  const std::string directory = config.domain().directory();
  TransportRegistry transports(config.domain().plugin_path);
  const Transport& transport = transports.get(spec.transport);
  transport.validate(spec);
  const Footprint footprint = transport.footprint(spec);
  for (const FootprintFile& file : footprint.files) {
    struct stat info {};
    const std::string path = planned_path(directory, file);
    const bool exists = ::stat(path.c_str(), &info) == 0;
    topic.files.push_back({path, exists ? static_cast<std::uint64_t>(info.st_size) : 0, exists});
  }
  TopicReport report = transport.inspect(spec, {directory, {}});
  if (!report.exists && !topic.files.empty()) {
    throw Error("topic '" + topic.name + "' is not where this configuration says; give --config as its nodes have it");
  }
  topic.report = std::move(report);
} catch (const Error& error) {
  std::fprintf(stderr, "warning: %s\n", error.what());
}

Reliability reliability_of(const Topic& topic) {
  if (topic.report && topic.report->exists) return topic.report->qos.reliability;
  return (topic.publishers.empty() ? topic.subscriptions : topic.publishers).front().info.qos.reliability;
}

std::uint32_t depth_of(const Topic& topic) {
  if (topic.report && topic.report->exists) return topic.report->qos.depth;
  return (topic.publishers.empty() ? topic.subscriptions : topic.publishers).front().info.qos.depth;
}

const char* text_of(Reliability reliability) {
  return reliability == Reliability::reliable ? "reliable" : "best_effort";
}
const char* text_of(Durability durability) {
  return durability == Durability::transient_local ? "transient_local" : "volatile";
}

std::string type_text(const Topic& topic) {
  std::string text;
  for (const std::string& type : topic.types) text += (text.empty() ? "" : ", ") + type;
  return text.empty() ? "bytes" : text;
}

std::string qos_text(const Topic& topic) {
  std::string text = std::string(text_of(reliability_of(topic))) + ", depth " + std::to_string(depth_of(topic));
  if (!topic.report || !topic.report->exists) return text;
  const QoS& qos = topic.report->qos;
  text += std::string(", ") + text_of(qos.durability);
  if (qos.history != 0) text += " (history " + std::to_string(qos.history) + ")";
  return text + ", max_size " + format_size(topic.report->max_size);
}

void print_side(const char* title, const std::vector<Endpoint>& side) {
  if (side.empty()) return;
  std::printf("%s:\n", title);
  for (const Endpoint& endpoint : side) {
    std::printf("  %s (process %lld, %s)\n", endpoint.info.node.c_str(), static_cast<long long>(endpoint.pid),
                endpoint.executable.c_str());
  }
}

/// In the words of `ros2 topic info -v`.
void print_paragraphs(const Topic& topic, const std::vector<Endpoint>& side) {
  for (const Endpoint& endpoint : side) {
    const EndpointInfo& info = endpoint.info;
    const std::size_t slash = info.node.rfind('/');
    std::printf("\nNode name: %s\nNode namespace: %s\n", info.node.substr(slash + 1).c_str(),
                slash == 0 ? "/" : info.node.substr(0, slash).c_str());
    std::printf("Topic type: %s\nEndpoint type: %s\n", info.type.empty() ? "bytes" : info.type.c_str(),
                info.kind == EndpointKind::publisher ? "PUBLISHER" : "SUBSCRIPTION");
    std::printf("Process: %lld (%s)\n", static_cast<long long>(endpoint.pid), endpoint.executable.c_str());
    std::printf("QoS profile:\n  Reliability: %s\n  History (Depth): KEEP_LAST (%u)\n",
                info.qos.reliability == Reliability::reliable ? "RELIABLE" : "BEST_EFFORT", info.qos.depth);
    if (topic.report && topic.report->exists) {
      std::printf("  Durability: %s\n",
                  topic.report->qos.durability == Durability::transient_local ? "TRANSIENT_LOCAL" : "VOLATILE");
    }
  }
}

void print_report(const TopicReport& report) {
  if (!report.copies.empty()) std::printf("Copies per delivery:\n");
  for (const CopiesPerDelivery& copies : report.copies) {
    std::printf("  up to %s: publish a loan %u, publish a copy %u, take %u\n", format_size(copies.up_to).c_str(),
                copies.publish_loan, copies.publish_copy, copies.take);
  }
  if (!report.chunks.empty()) std::printf("Chunks:\n");
  for (const ChunkUsage& chunks : report.chunks) {
    std::printf("  %u of %s: %u free, %u lent, %u held, %u unread; %u have carried messages\n", chunks.count,
                format_size(chunks.size).c_str(), chunks.free, chunks.lent, chunks.held, chunks.unread, chunks.used);
  }
}

void print(const Topic& topic, bool verbose) {
  std::printf("Type: %s\nPublisher count: %zu\nSubscription count: %zu\n", type_text(topic).c_str(),
              topic.publishers.size(), topic.subscriptions.size());
  std::printf("Transport: %s\n", topic.transport.c_str());
  for (const File& file : topic.files) {
    std::printf("File: %s, %s\n", file.path.c_str(), file.exists ? bytes_text(file.bytes).c_str() : "not there");
  }
  std::printf("QoS: %s\n", qos_text(topic).c_str());
  if (topic.report) print_report(*topic.report);
  if (verbose) {
    print_paragraphs(topic, topic.publishers);
    print_paragraphs(topic, topic.subscriptions);
  } else {
    print_side("Publishers", topic.publishers);
    print_side("Subscriptions", topic.subscriptions);
  }
}

nlohmann::json json_of(const std::vector<Endpoint>& side) {
  auto json = nlohmann::json::array();
  for (const Endpoint& endpoint : side) {
    json.push_back({{"node", endpoint.info.node},
                    {"pid", endpoint.pid},
                    {"executable", endpoint.executable},
                    {"type", endpoint.info.type},
                    {"reliability", text_of(endpoint.info.qos.reliability)},
                    {"depth", endpoint.info.qos.depth},
                    {"messages", endpoint.info.messages},
                    {"bytes", endpoint.info.bytes}});
  }
  return json;
}

/// What is not known is null.
nlohmann::json json_of(const Topic& topic) {
  nlohmann::json json{{"topic", topic.name},
                      {"types", topic.types},
                      {"transport", topic.transport},
                      {"files", nlohmann::json::array()},
                      {"qos", {{"reliability", text_of(reliability_of(topic))}, {"depth", depth_of(topic)}}},
                      {"publishers", json_of(topic.publishers)},
                      {"subscriptions", json_of(topic.subscriptions)},
                      {"copies_per_delivery", nullptr},
                      {"chunks", nullptr}};
  for (const File& file : topic.files) {
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}, {"exists", file.exists}});
  }
  if (!topic.report) return json;
  const TopicReport& report = *topic.report;
  if (report.exists) {
    json["qos"]["durability"] = text_of(report.qos.durability);
    json["qos"]["history"] = report.qos.history;
    json["qos"]["max_size"] = report.max_size;
  }
  for (const CopiesPerDelivery& copies : report.copies) {
    json["copies_per_delivery"].push_back({{"up_to", copies.up_to},
                                           {"publish_loan", copies.publish_loan},
                                           {"publish_copy", copies.publish_copy},
                                           {"take", copies.take}});
  }
  json["chunks"] = nlohmann::json::array();
  for (const ChunkUsage& chunks : report.chunks) {
    json["chunks"].push_back({{"size", chunks.size},
                              {"count", chunks.count},
                              {"free", chunks.free},
                              {"lent", chunks.lent},
                              {"held", chunks.held},
                              {"unread", chunks.unread},
                              {"used", chunks.used}});
  }
  return json;
}

int unknown(const std::string& name, const GraphSnapshot& graph) {
  std::set<std::string> names;
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& endpoint : process.endpoints) names.insert(endpoint.topic);
  }
  std::fprintf(stderr, "Unknown topic '%s'%s\n", name.c_str(),
               did_you_mean(name, {names.begin(), names.end()}).c_str());
  return 1;
}

}  // namespace

int topic_info(const Common& common, const TopicInfoOptions& options) {
  const Config config = Config::load_or_environment(common.config_files);
  const std::string name = options.topic.starts_with('/') ? options.topic : "/" + options.topic;
  const GraphSnapshot graph = look_at_graph(config.domain());
  Topic topic = find_endpoints(graph, name);
  if (topic.publishers.empty() && topic.subscriptions.empty()) return unknown(name, graph);
  ask_transport(topic, config);
  if (common.json) {
    std::cout << json_of(topic).dump(2) << "\n";
  } else {
    print(topic, options.verbose);
  }
  return 0;
}

}  // namespace sluice::commands
