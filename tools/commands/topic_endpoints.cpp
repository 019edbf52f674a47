#include "commands/topic_endpoints.hpp"

#include <cstdio>

#include <nlohmann/json.hpp>

#include <sluice/units.hpp>

#include "commands/top_table.hpp"

namespace sluice::commands {

namespace {

using Duration = std::optional<std::chrono::nanoseconds>;

ShownEndpoint shown(const EndpointInfo& info, const ProcessInfo& process) {
  return {info, process.pid, process.executable, process.liveliness, process.late_because};
}

const char* side_of(const ShownEndpoint& endpoint) {
  return endpoint.info.kind == EndpointKind::publisher ? "publisher" : "subscription";
}

/// "alive", "late: no sign of life for 4.0 s".
std::string state_of(const ShownEndpoint& endpoint) {
  return to_string(endpoint.liveliness) + (endpoint.late_because.empty() ? "" : ": " + endpoint.late_because);
}

std::string duration_or_infinite(const Duration& duration) {
  return duration ? format_duration(*duration) : "Infinite";
}

nlohmann::json ns_or_null(const Duration& duration) {
  return duration ? nlohmann::json(duration->count()) : nlohmann::json(nullptr);
}

void print_qos(const QoS& qos) {
  std::printf("QoS profile:\n  Reliability: %s\n  History (Depth): KEEP_LAST (%u)\n  Durability: %s\n",
              qos.reliability == Reliability::reliable ? "RELIABLE" : "BEST_EFFORT", qos.depth,
              qos.durability == Durability::transient_local ? "TRANSIENT_LOCAL" : "VOLATILE");
  std::printf("  Lifespan: Infinite\n  Deadline: %s\n  Liveliness: AUTOMATIC\n  Liveliness lease duration: %s\n",
              duration_or_infinite(qos.deadline).c_str(), duration_or_infinite(qos.liveliness_lease).c_str());
}

void print_books(const EndpointInfo& info) {
  const auto number = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  if (info.kind == EndpointKind::publisher) {
    std::printf("Published: %llu (%llu bytes), %llu timed out\n", number(info.messages), number(info.bytes),
                number(info.timeouts));
  } else {
    std::printf("Received: %llu (%llu bytes), lost %llu, skipped %llu, queued %llu\n", number(info.messages),
                number(info.bytes), number(info.lost), number(info.skipped), number(info.queued));
    if (info.latency.total() != 0) {
      std::printf("Latency: p50 %s, p99 %s\n", compact_time(info.latency.percentile(0.5)).c_str(),
                  compact_time(info.latency.percentile(0.99)).c_str());
    }
  }
  if (info.qos.deadline) std::printf("Deadlines missed: %llu\n", number(info.deadlines_missed));
}

}  // namespace

ShownEndpoints find_endpoints(const GraphSnapshot& graph, const std::string& topic) {
  ShownEndpoints found;
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& info : process.endpoints) {
      if (info.topic != topic) continue;
      auto& side = info.kind == EndpointKind::publisher ? found.publishers : found.subscriptions;
      side.push_back(shown(info, process));
    }
    for (const EndpointInfo& info : process.refused) {
      if (info.topic == topic) found.refused.push_back(shown(info, process));
    }
  }
  for (const ProcessInfo& process : graph.lost) {
    for (const EndpointInfo& info : process.endpoints) {
      if (info.topic == topic) found.lost.push_back(shown(info, process));
    }
  }
  return found;
}

void print_lines(const char* title, const std::vector<ShownEndpoint>& endpoints) {
  if (endpoints.empty()) return;
  std::printf("%s:\n", title);
  for (const ShownEndpoint& endpoint : endpoints) {
    const std::string late = endpoint.liveliness == Liveliness::late ? ", late" : "";
    const std::string& refused = endpoint.info.refused;
    std::printf("  %s (process %lld, %s%s)%s\n", endpoint.info.node.c_str(), static_cast<long long>(endpoint.pid),
                endpoint.executable.c_str(), late.c_str(), (refused.empty() ? "" : ": " + refused).c_str());
  }
}

void print_paragraphs(const std::vector<ShownEndpoint>& endpoints) {
  for (const ShownEndpoint& endpoint : endpoints) {
    const EndpointInfo& info = endpoint.info;
    const std::size_t slash = info.node.rfind('/');
    std::printf("\nNode name: %s\nNode namespace: %s\n", info.node.substr(slash + 1).c_str(),
                slash == 0 ? "/" : info.node.substr(0, slash).c_str());
    std::printf("Topic type: %s\nEndpoint type: %s\n", info.type.empty() ? "bytes" : info.type.c_str(),
                info.kind == EndpointKind::publisher ? "PUBLISHER" : "SUBSCRIPTION");
    std::printf("Process: %lld (%s)\nState: %s\n", static_cast<long long>(endpoint.pid), endpoint.executable.c_str(),
                state_of(endpoint).c_str());
    if (!info.refused.empty()) {
      std::printf("Refused: %s\n", info.refused.c_str());
      continue;
    }
    print_qos(info.qos);
    print_books(info);
  }
}

nlohmann::json json_of(const std::vector<ShownEndpoint>& endpoints) {
  auto json = nlohmann::json::array();
  for (const ShownEndpoint& endpoint : endpoints) {
    const EndpointInfo& info = endpoint.info;
    nlohmann::json entry{{"node", info.node},
                         {"kind", side_of(endpoint)},
                         {"pid", endpoint.pid},
                         {"executable", endpoint.executable},
                         {"liveliness", to_string(endpoint.liveliness)},
                         {"late_because", endpoint.late_because},
                         {"type", info.type},
                         {"transport", info.transport},
                         {"file", nullptr},
                         {"refused", info.refused},
                         {"reliability", text_of(info.qos.reliability)},
                         {"depth", info.qos.depth},
                         {"durability", text_of(info.qos.durability)},
                         {"deadline_ns", ns_or_null(info.qos.deadline)},
                         {"liveliness_ns", ns_or_null(info.qos.liveliness_lease)},
                         {"messages", info.messages},
                         {"bytes", info.bytes},
                         {"deadlines_missed", info.deadlines_missed}};
    if (!info.medium.empty()) entry["file"] = info.medium;
    if (info.kind == EndpointKind::publisher) {
      entry["timeouts"] = info.timeouts;
    } else {
      const bool sampled = info.latency.total() != 0;
      entry.update({{"lost", info.lost}, {"skipped", info.skipped}, {"queued", info.queued}});
      entry["p50_ns"] = sampled ? nlohmann::json(info.latency.percentile(0.5)) : nlohmann::json(nullptr);
      entry["p99_ns"] = sampled ? nlohmann::json(info.latency.percentile(0.99)) : nlohmann::json(nullptr);
    }
    json.push_back(std::move(entry));
  }
  return json;
}

const char* text_of(Reliability reliability) {
  return reliability == Reliability::reliable ? "reliable" : "best_effort";
}

const char* text_of(Durability durability) {
  return durability == Durability::transient_local ? "transient_local" : "volatile";
}

}  // namespace sluice::commands
