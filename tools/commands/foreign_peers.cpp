#include "commands/foreign_peers.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/eshm/inspect.hpp>
#include <sluice/eshm/segment.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/slick/inspect.hpp>
#include <sluice/slick/segment.hpp>

namespace sluice::commands {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{200};
constexpr std::chrono::milliseconds kHeartbeatWatch{150};

std::string program_of(std::int64_t pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return name;
}

ForeignLook look_at_ring(const std::string& path, const std::set<std::int64_t>& known) {
  const slick::SegmentInfo info = slick::inspect_segment(path.substr(path.rfind('/')));
  if (!info.problem.empty()) throw Error(info.problem);
  ForeignLook look;
  look.written["elements"] = {info.reserved, info.element_size};
  const slick::Mappers mappers = slick::who_maps(path);
  look.complete = mappers.complete;
  for (const auto& process : mappers.processes) {
    if (!known.contains(process.pid)) look.peers.push_back({process.pid, process.executable, "", "alive"});
  }
  return look;
}

ForeignLook look_at_channel(const std::string& path, const std::set<std::int64_t>& known,
                            std::chrono::nanoseconds watch) {
  const eshm::ChannelInfo info = eshm::inspect_channel(path.substr(eshm::segment_path("x").size() - 1), watch);
  if (!info.problem.empty()) throw Error(info.problem);
  ForeignLook look;
  look.written["master_to_slave"] = {info.master_to_slave.write_count, info.master_to_slave.data_size};
  look.written["slave_to_master"] = {info.slave_to_master.write_count, info.slave_to_master.data_size};
  for (const auto& [role, side] : {std::pair{"master", &info.master}, std::pair{"slave", &info.slave}}) {
    const bool never = side->state == eshm::RemoteState::unknown && side->pid == 0;
    if (never || known.contains(side->pid)) continue;
    look.peers.push_back({side->pid, program_of(side->pid), role, eshm::name_of(side->state), side->heartbeat});
  }
  return look;
}

/// Where a configured topic lies, if programs without Sluice may share that.
std::optional<ForeignFile> configured_file(const TopicSpec& spec) {
  const auto option = [&](const char* key) {
    const auto found = spec.options.find(key);
    return found == spec.options.end() ? std::string() : found->second.value;
  };
  if (spec.transport == "slick" && !option("segment").empty()) {
    return ForeignFile{spec.name, spec.transport, slick::segment_path(option("segment")), "elements"};
  }
  if (spec.transport == "eshm" && !option("channel").empty()) {
    return ForeignFile{spec.name, spec.transport, eshm::segment_path(option("channel")), option("direction")};
  }
  return std::nullopt;
}

}  // namespace

std::vector<ForeignFile> find_foreign_files(const Config& config, const GraphSnapshot& graph) {
  std::map<std::string, ForeignFile> files;
  const auto add_configured = [&](const std::string& topic) {
    if (auto file = configured_file(config.topic(topic))) files.insert_or_assign(topic, std::move(*file));
  };
  for (const std::string& topic : config.topic_names()) add_configured(topic);
  const std::string directory = config.domain().directory() + "/";
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      if (endpoint.medium.empty() || endpoint.medium.starts_with(directory) || files.contains(endpoint.topic)) continue;
      add_configured(endpoint.topic);  // by a pattern
      const char* direction = endpoint.transport == "slick" ? "elements" : "";
      files.try_emplace(endpoint.topic, ForeignFile{endpoint.topic, endpoint.transport, endpoint.medium, direction});
    }
  }
  std::vector<ForeignFile> found;
  for (auto& [topic, file] : files) found.push_back(std::move(file));
  return found;
}

std::optional<ForeignLook> look_at_foreign_file(const std::string& transport, const std::string& path,
                                                const std::set<std::int64_t>& known, std::chrono::nanoseconds watch) {
  if (::access(path.c_str(), F_OK) != 0) return std::nullopt;
  if (transport == "slick") return look_at_ring(path, known);
  if (transport == "eshm") return look_at_channel(path, known, watch);
  return std::nullopt;
}

std::map<std::string, double> rates_between(const ForeignLook& before, const ForeignLook& now, double seconds) {
  std::map<std::string, double> rates;
  for (const auto& [direction, count] : now.written) {
    const auto was = before.written.find(direction);
    if (was == before.written.end() || seconds <= 0) continue;
    // Signed: a peer that starts anew may begin to count again.
    const auto written = static_cast<std::int64_t>(count.written - was->second.written);
    rates[direction] = std::max(0.0, static_cast<double>(written) / seconds);
  }
  return rates;
}

std::optional<ForeignUse> find_foreign_use(const std::string& transport, const std::string& path,
                                           const std::set<std::int64_t>& known) try {
  const auto before = look_at_foreign_file(transport, path, known, {});
  if (!before) return std::nullopt;
  const std::int64_t begun = shm::monotonic_ns();
  shm::sleep_for(kBetweenLooks);
  auto now = look_at_foreign_file(transport, path, known, kHeartbeatWatch);
  if (!now) return std::nullopt;
  auto rates = rates_between(*before, *now, static_cast<double>(shm::monotonic_ns() - begun) / 1e9);
  return ForeignUse{std::move(*now), std::move(rates)};
} catch (const Error& error) {
  std::fprintf(stderr, "warning: %s\n", error.what());
  return std::nullopt;
}

void print(const ForeignUse& use) {
  std::printf("Foreign peers:%s\n", use.look.peers.empty() ? " none" : "");
  for (const ForeignPeer& peer : use.look.peers) {
    const std::string program = peer.program.empty() ? "" : " (" + peer.program + ")";
    if (peer.role.empty()) {
      std::printf("  process %lld%s: has the segment mapped; a ring does not tell who publishes\n",
                  static_cast<long long>(peer.pid), program.c_str());
    } else {
      std::printf("  %s, process %lld%s: %s\n", peer.role.c_str(), static_cast<long long>(peer.pid), program.c_str(),
                  peer.state.c_str());
    }
  }
  if (!use.look.complete) std::printf("  perhaps others: some processes may not be looked into\n");
  std::printf("Written:");
  const char* separator = " ";
  for (const auto& [direction, rate] : use.rates) {
    std::printf("%s%s %.1f/s", separator, direction.c_str(), rate);
    separator = ", ";
  }
  std::printf("\n");
}

nlohmann::json json_of(const ForeignUse& use) {
  nlohmann::json json{{"peers", nlohmann::json::array()}, {"complete", use.look.complete}, {"rates", use.rates}};
  for (const ForeignPeer& peer : use.look.peers) {
    json["peers"].push_back({{"pid", peer.pid}, {"program", peer.program}, {"role", peer.role}, {"state", peer.state}});
  }
  return json;
}

}  // namespace sluice::commands
