#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/transport_registry.hpp>
#include <sluice/units.hpp>

#include "commands/commands.hpp"
#include "commands/foreign_peers.hpp"
#include "commands/graph_look.hpp"
#include "commands/plan.hpp"
#include "commands/topic_endpoints.hpp"

namespace sluice::commands {

namespace {

struct File {
  std::string path;
  std::uint64_t bytes = 0;
  bool exists = false;
};

/// What can be known of a topic: from the graph, and from its transport, if that can be asked.
struct TopicAnswer {
  std::string name;
  std::string transport;
  std::set<std::string> types;
  QoS qos;  ///< Of somebody who has it, or of the configuration.
  ShownEndpoints endpoints;
  std::vector<File> files;
  std::map<std::string, ForeignUse> foreign;  ///< By file.
  std::optional<TopicReport> report;          ///< Only what is so: not what a topic that is not there would be like.
};

/// Somebody has, had or wanted the topic.
const ShownEndpoint* first_of(const ShownEndpoints& endpoints) {
  for (const auto* some : {&endpoints.publishers, &endpoints.subscriptions, &endpoints.refused, &endpoints.lost}) {
    if (!some->empty()) return &some->front();
  }
  return nullptr;
}

File file_at(const std::string& path) {
  struct stat info {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  return {path, exists ? static_cast<std::uint64_t>(info.st_size) : 0, exists};
}

TopicAnswer find_topic(const GraphSnapshot& graph, const std::string& name) {
  TopicAnswer topic;
  topic.name = name;
  topic.endpoints = find_endpoints(graph, name);
  std::set<std::string> media;
  if (const ShownEndpoint* first = first_of(topic.endpoints)) {
    topic.transport = first->info.transport;
    topic.qos = first->info.qos;
  }
  for (const auto* side : {&topic.endpoints.publishers, &topic.endpoints.subscriptions}) {
    for (const ShownEndpoint& endpoint : *side) {
      if (!endpoint.info.type.empty()) topic.types.insert(endpoint.info.type);
      if (!endpoint.info.medium.empty()) media.insert(endpoint.info.medium);
    }
  }
  for (const std::string& medium : media) topic.files.push_back(file_at(medium));
  return topic;
}

/// The endpoints' own configuration is not known here: `config` may say less than theirs, or something else.
void ask_transport(TopicAnswer& topic, const Config& config) try {
  TopicSpec spec = config.topic(topic.name);
  spec.transport = topic.transport;
  const std::string directory = config.domain().directory();
  TransportRegistry transports(config.domain().plugin_path);
  const Transport& transport = transports.get(spec.transport);
  transport.validate(spec);
  const Footprint footprint = transport.footprint(spec);
  std::vector<File> planned;
  for (const FootprintFile& file : footprint.files) planned.push_back(file_at(planned_path(directory, file)));
  TopicReport report = transport.inspect(spec, {directory, {}});
  if (!report.exists && !planned.empty()) {
    throw Error("topic '" + topic.name + "' is not where this configuration says; give --config as its nodes have it");
  }
  topic.report = std::move(report);
  if (!planned.empty()) topic.files = std::move(planned);  // also those that no endpoint names
} catch (const Error& error) {
  std::fprintf(stderr, "warning: %s\n", error.what());
}

/// Files of formats that programs without Sluice use, too, lie outside of the domain.
void find_foreign_uses(TopicAnswer& topic, const GraphSnapshot& graph, const std::string& directory) {
  std::set<std::int64_t> known;
  for (const ProcessInfo& process : graph.processes) known.insert(process.pid);
  for (const File& file : topic.files) {
    if (!file.exists || file.path.starts_with(directory + "/")) continue;
    if (auto use = find_foreign_use(topic.transport, file.path, known)) topic.foreign[file.path] = std::move(*use);
  }
}

/// Nobody of the domain has it, but it is configured, and others may use its file.
bool take_from_configuration(TopicAnswer& topic, const Config& config) {
  if (!config.mentions(topic.name)) return false;
  const TopicSpec spec = config.topic(topic.name);
  if (!spec.options.contains("segment") && !spec.options.contains("channel")) return false;
  topic.transport = spec.transport;
  topic.qos = spec.qos;
  return true;
}

Reliability reliability_of(const TopicAnswer& topic) {
  if (topic.report && topic.report->exists) return topic.report->qos.reliability;
  return topic.qos.reliability;
}

std::uint32_t depth_of(const TopicAnswer& topic) {
  if (topic.report && topic.report->exists) return topic.report->qos.depth;
  return topic.qos.depth;
}

std::string type_text(const TopicAnswer& topic) {
  std::string text;
  for (const std::string& type : topic.types) text += (text.empty() ? "" : ", ") + type;
  return text.empty() ? "bytes" : text;
}

std::string qos_text(const TopicAnswer& topic) {
  std::string text = std::string(text_of(reliability_of(topic))) + ", depth " + std::to_string(depth_of(topic));
  if (!topic.report || !topic.report->exists) return text;
  const QoS& qos = topic.report->qos;
  text += std::string(", ") + text_of(qos.durability);
  if (qos.history != 0) text += " (history " + std::to_string(qos.history) + ")";
  return text + ", max_size " + format_size(topic.report->max_size);
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

void print(const TopicAnswer& topic, bool verbose) {
  std::printf("Type: %s\nPublisher count: %zu\nSubscription count: %zu\n", type_text(topic).c_str(),
              topic.endpoints.publishers.size(), topic.endpoints.subscriptions.size());
  std::printf("Transport: %s\n", topic.transport.c_str());
  for (const File& file : topic.files) {
    std::printf("File: %s, %s\n", file.path.c_str(), file.exists ? bytes_text(file.bytes).c_str() : "not there");
  }
  std::printf("QoS: %s\n", qos_text(topic).c_str());
  for (const auto& [path, use] : topic.foreign) print(use);
  if (topic.report) print_report(*topic.report);
  const ShownEndpoints& endpoints = topic.endpoints;
  if (verbose) {
    for (const auto* some : {&endpoints.publishers, &endpoints.subscriptions, &endpoints.refused, &endpoints.lost}) {
      print_paragraphs(*some);
    }
  } else {
    print_lines("Publishers", endpoints.publishers);
    print_lines("Subscriptions", endpoints.subscriptions);
    print_lines("Refused", endpoints.refused);
    print_lines("Lost", endpoints.lost);
  }
}

/// What is not known is null.
nlohmann::json json_of(const TopicAnswer& topic) {
  nlohmann::json json{{"topic", topic.name},
                      {"types", topic.types},
                      {"transport", topic.transport},
                      {"files", nlohmann::json::array()},
                      {"qos", {{"reliability", text_of(reliability_of(topic))}, {"depth", depth_of(topic)}}},
                      {"publishers", json_of(topic.endpoints.publishers)},
                      {"subscriptions", json_of(topic.endpoints.subscriptions)},
                      {"refused", json_of(topic.endpoints.refused)},
                      {"lost", json_of(topic.endpoints.lost)},
                      {"copies_per_delivery", nullptr},
                      {"chunks", nullptr}};
  for (const File& file : topic.files) {
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}, {"exists", file.exists}});
  }
  json["foreign"] = nlohmann::json::object();
  for (const auto& [path, use] : topic.foreign) json["foreign"][path] = json_of(use);
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
  TopicAnswer topic = find_topic(graph, name);
  const bool nobodys = first_of(topic.endpoints) == nullptr;
  if (nobodys && !take_from_configuration(topic, config)) return unknown(name, graph);
  bool open = !topic.endpoints.publishers.empty() || !topic.endpoints.subscriptions.empty();
  if (open || nobodys) ask_transport(topic, config);
  find_foreign_uses(topic, graph, config.domain().directory());
  if (nobodys && topic.foreign.empty()) return unknown(name, graph);
  open = open || !topic.foreign.empty();
  if (common.json) {
    std::cout << json_of(topic).dump(2) << "\n";
  } else {
    print(topic, options.verbose);
  }
  return open ? 0 : 1;
}

}  // namespace sluice::commands
