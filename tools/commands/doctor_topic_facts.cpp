#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <sluice/error.hpp>
#include <sluice/eshm/inspect.hpp>

#include "commands/doctor_checks.hpp"
#include "commands/doctor_topic.hpp"
#include "commands/graph_look.hpp"

namespace sluice::commands {

namespace {

constexpr std::string_view kDeleted = " (deleted)";

/// A line of /proc/PID/maps.
struct MapsLine {
  std::uint64_t inode = 0;
  std::string path;
  bool deleted = false;
};

std::optional<MapsLine> parse_maps_line(const std::string& line) {
  std::istringstream words(line);
  std::string addresses, rights, offset, device;
  MapsLine parsed;
  if (!(words >> addresses >> rights >> offset >> device >> parsed.inode >> std::ws)) return std::nullopt;
  std::getline(words, parsed.path);
  if (parsed.path.ends_with(kDeleted)) {
    parsed.deleted = true;
    parsed.path.resize(parsed.path.size() - kDeleted.size());
  }
  return parsed;
}

std::set<std::uint64_t> inodes_in(const std::string& directory) {
  std::set<std::uint64_t> inodes;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    struct stat info {};
    if (::lstat(entry->path().c_str(), &info) == 0) inodes.insert(info.st_ino);
  }
  return inodes;
}

/// What /proc says; nothing: it does not tell. A file that was made without a name and linked later is
/// "DIRECTORY/#INODE (deleted)" for its maker, for ever.
std::optional<MappedFile> find_mapped(const std::string& pid, const std::string& path) {
  struct stat info {};
  const std::uint64_t current = ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
  const std::string directory = path.substr(0, path.rfind('/'));
  const std::set<std::uint64_t> there = inodes_in(directory);
  MappedFile mapped;
  std::set<std::uint64_t> nameless;
  std::ifstream maps("/proc/" + pid + "/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto parsed = parse_maps_line(line);
    if (!parsed || !parsed->path.starts_with(directory + "/")) continue;
    const bool unnamed = parsed->path.starts_with(directory + "/#");
    if (!unnamed && parsed->path != path) continue;
    if (parsed->inode == current) return MappedFile{true, {}};
    if (!unnamed) mapped.candidates.insert(parsed->inode);
    if (unnamed && !there.contains(parsed->inode)) nameless.insert(parsed->inode);
  }
  if (mapped.candidates.empty()) mapped.candidates = std::move(nameless);
  if (mapped.candidates.empty()) return std::nullopt;
  return mapped;
}

TopicEndpoint endpoint_of(const EndpointInfo& info, const ProcessInfo& process, std::uint64_t our_pids) {
  TopicEndpoint endpoint;
  endpoint.info = info;
  endpoint.process = process;
  endpoint.process.endpoints.clear();
  endpoint.process.refused.clear();
  if (process.pid_namespace != our_pids || process.liveliness == Liveliness::lost) return endpoint;
  const std::string pid = std::to_string(process.pid);
  if (!info.medium.empty()) endpoint.mapped = find_mapped(pid, info.medium);
  endpoint.time_namespace = namespace_of("/proc", pid, "time");
  return endpoint;
}

ChannelSide side_of(const eshm::SideInfo& info, const std::string& role, std::uint64_t writes) {
  const bool never = info.state == eshm::RemoteState::unknown && info.pid == 0;
  return {role, never ? "never" : eshm::name_of(info.state), info.pid, writes};
}

/// Which side of the channel publishes the topic: as its YAML says, or else by the side that the endpoint's process has
/// taken. Nothing: not known.
std::optional<bool> published_by_master(const Config& config, const TopicEndpoint& endpoint,
                                        const eshm::ChannelInfo& info) {
  const auto options = config.topic(endpoint.info.topic).options;
  const auto direction = options.find("direction");
  if (direction != options.end()) return direction->second.value == "master_to_slave";
  const bool publishes = endpoint.info.kind == EndpointKind::publisher;
  if (info.master.ours && info.master.pid == endpoint.process.pid) return publishes;
  if (info.slave.ours && info.slave.pid == endpoint.process.pid) return !publishes;
  return std::nullopt;
}

void look_at_channel(TopicMedium& medium, const TopicEndpoint& endpoint, const Config& config) {
  const std::size_t prefix = eshm::segment_path("x").size() - 1;
  const eshm::ChannelInfo info = eshm::inspect_channel(endpoint.info.medium.substr(prefix));
  medium.problem = info.problem;
  const auto by_master = info.problem.empty() ? published_by_master(config, endpoint, info) : std::nullopt;
  if (!by_master) return;
  const ChannelSide master = side_of(info.master, "master", info.master_to_slave.write_count);
  const ChannelSide slave = side_of(info.slave, "slave", info.slave_to_master.write_count);
  medium.publishing = *by_master ? master : slave;
  medium.subscribed = *by_master ? slave : master;
  medium.empty = medium.publishing->writes == 0;
}

void look_at_ring(TopicMedium& medium, const std::string& path, const std::set<std::int64_t>& known) {
  const slick::SegmentInfo info = slick::inspect_segment(path.substr(path.rfind('/')));
  medium.problem = info.problem;
  medium.empty = !info.newest;
  for (const auto& process : slick::who_maps(path).processes) {
    if (!known.contains(process.pid)) medium.others.push_back(process);
  }
}

TopicMedium look_at(const TopicEndpoint& endpoint, const TopicFacts& facts, const Config& config,
                    const std::set<std::int64_t>& known) {
  const std::string& path = endpoint.info.medium;
  TopicMedium medium;
  struct stat file {};
  medium.foreign = !path.starts_with(facts.domain + "/");
  if (::stat(path.c_str(), &file) != 0) return medium;
  medium.exists = true;
  medium.mode = file.st_mode & 0777U;
  medium.owner = file.st_uid;
  if (!medium.foreign) return medium;
  try {
    if (endpoint.info.transport == "eshm") look_at_channel(medium, endpoint, config);
    if (endpoint.info.transport == "slick") look_at_ring(medium, path, known);
  } catch (const Error& error) {
    medium.problem = error.what();
  }
  return medium;
}

void add_process(TopicFacts& facts, const ProcessInfo& process, std::uint64_t our_pids, std::set<std::string>& topics) {
  for (const EndpointInfo& info : process.endpoints) {
    topics.insert(info.topic);
    if (info.topic != facts.topic) continue;
    auto& living = info.kind == EndpointKind::publisher ? facts.publishers : facts.subscriptions;
    (process.liveliness == Liveliness::lost ? facts.dead : living).push_back(endpoint_of(info, process, our_pids));
  }
  for (const EndpointInfo& info : process.refused) {
    topics.insert(info.topic);
    if (info.topic == facts.topic && process.liveliness != Liveliness::lost) {
      facts.refused.push_back(endpoint_of(info, process, our_pids));
    }
  }
}

}  // namespace

TopicFacts collect_facts(const Config& config, const std::string& topic) {
  TopicFacts facts;
  facts.topic = topic;
  facts.domain = config.domain().directory();
  GraphSnapshot graph = look_at_graph(config.domain());
  const std::uint64_t our_pids = namespace_of("/proc", "self", "pid");
  std::set<std::string> topics;
  std::set<std::int64_t> known;
  for (const ProcessInfo& process : graph.processes) {
    add_process(facts, process, our_pids, topics);
    known.insert(process.pid);
  }
  std::sort(graph.lost.begin(), graph.lost.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
  for (const ProcessInfo& process : graph.lost) add_process(facts, process, our_pids, topics);
  facts.known.assign(topics.begin(), topics.end());
  for (const auto* side : {&facts.publishers, &facts.subscriptions, &facts.refused}) {
    for (const TopicEndpoint& endpoint : *side) {
      const std::string& path = endpoint.info.medium;
      if (path.empty() || facts.media.contains(path)) continue;
      facts.media[path] = look_at(endpoint, facts, config, known);
    }
  }
  return facts;
}

}  // namespace sluice::commands
