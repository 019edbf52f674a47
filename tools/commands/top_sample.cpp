#include "commands/top_sample.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <sluice/error.hpp>
#include <sluice/shm/deadline.hpp>

#include "commands/doctor_checks.hpp"
#include "commands/top_foreign.hpp"

namespace sluice::commands {

namespace {

/// Fields of /proc/PID/stat by their numbers in proc(5), from the third on: the second, a name, may hold anything.
constexpr std::size_t kFirstField = 3;
constexpr std::size_t kUserTime = 14;
constexpr std::size_t kSystemTime = 15;
constexpr std::size_t kStartTime = 22;
constexpr std::size_t kResidentPages = 24;

/// `start_time` 0: whichever process has the number now.
std::optional<ProcessUsage> usage_of(std::int64_t pid, std::uint64_t start_time) try {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream words(text.substr(name_end + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
  const auto field = [&](std::size_t number) { return std::stoull(fields.at(number - kFirstField)); };
  if (start_time != 0 && field(kStartTime) != start_time) return std::nullopt;  // it is another process's by now
  const std::uint64_t ticks = field(kUserTime) + field(kSystemTime);
  const auto tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  return ProcessUsage{static_cast<std::int64_t>(ticks) * tick_ns,
                      field(kResidentPages) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
} catch (const std::exception&) {  // a field is missing or no number: the process is just ending
  return std::nullopt;
}

/// An endpoint's counters by what it is; a node may have several of one topic.
using Counters = std::map<std::string, std::vector<const EndpointInfo*>>;

std::string key_of(const ProcessInfo& process, const EndpointInfo& endpoint) {
  const char* side = endpoint.kind == EndpointKind::publisher ? " p " : " s ";
  return process.record + side + endpoint.node + " " + endpoint.topic;
}

Counters counters_of(const GraphSnapshot& graph) {
  Counters counters;
  for (const ProcessInfo& process : graph.processes) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      counters[key_of(process, endpoint)].push_back(&endpoint);
    }
  }
  return counters;
}

/// One side of a topic between two looks.
struct Flow {
  std::uint64_t endpoints = 0;
  double messages = 0;
  double bytes = 0;

  void add(const EndpointInfo& now, const EndpointInfo* before) {
    ++endpoints;
    // Fewer than before: an endpoint was closed, and this is another one.
    const bool same = before != nullptr && now.messages >= before->messages && now.bytes >= before->bytes;
    messages += static_cast<double>(now.messages - (same ? before->messages : 0));
    bytes += static_cast<double>(now.bytes - (same ? before->bytes : 0));
  }
};

struct TopicSum {
  Flow published;
  Flow received;  ///< By the busiest subscription; `endpoints` counts all.
  LatencyHistogram latency;
  std::uint64_t lost = 0;
  std::uint64_t skipped = 0;
  std::uint64_t queued = 0;

  void add_subscription(const EndpointInfo& now, const EndpointInfo* before) {
    Flow one;
    one.add(now, before);
    received.messages = std::max(received.messages, one.messages);
    received.bytes = std::max(received.bytes, one.bytes);
    ++received.endpoints;
    lost += now.lost;
    skipped += now.skipped;
    queued += now.queued;
    const LatencyHistogram meanwhile = before != nullptr ? now.latency.since(before->latency) : now.latency;
    for (std::size_t b = 0; b < LatencyHistogram::kBuckets; ++b) latency.counts[b] += meanwhile.counts[b];
  }
};

TopTopic topic_of(const std::string& name, const TopicSum& sum, double seconds) {
  TopTopic topic;
  topic.name = name;
  topic.publishers = sum.published.endpoints;
  topic.subscriptions = sum.received.endpoints;
  const Flow& flow = sum.published.endpoints != 0 ? sum.published : sum.received;
  if (seconds > 0) {
    topic.rate = flow.messages / seconds;
    topic.bandwidth = flow.bytes / seconds;
  }
  if (sum.latency.total() != 0) {
    topic.median_ns = sum.latency.percentile(0.5);
    topic.p99_ns = sum.latency.percentile(0.99);
  }
  topic.lost = sum.lost;
  topic.skipped = sum.skipped;
  topic.queued = sum.queued;
  return topic;
}

std::vector<TopTopic> topics_of(const TopLook& before, const TopLook& now, double seconds) {
  const Counters earlier = counters_of(before.graph);
  std::map<std::string, TopicSum> sums;
  for (const auto& [key, endpoints] : counters_of(now.graph)) {
    const auto found = earlier.find(key);
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      const bool known = found != earlier.end() && i < found->second.size();
      const EndpointInfo* was = known ? found->second[i] : nullptr;
      const EndpointInfo& is = *endpoints[i];
      TopicSum& sum = sums[is.topic];
      if (is.kind == EndpointKind::publisher) {
        sum.published.add(is, was);
      } else {
        sum.add_subscription(is, was);
      }
    }
  }
  std::vector<TopTopic> topics;
  for (const auto& [name, sum] : sums) topics.push_back(topic_of(name, sum, seconds));
  return topics;
}

TopProcess process_of(const ProcessInfo& info, const TopLook& before, const TopLook& now, double seconds) {
  TopProcess process{info.pid, info.executable, info.nodes, std::nullopt, std::nullopt, info.liveliness};
  const auto is = now.usage.find(info.record);
  if (is == now.usage.end()) return process;
  process.memory = is->second.memory;
  const auto was = before.usage.find(info.record);
  if (was == before.usage.end() || seconds <= 0) return process;
  process.cpu = static_cast<double>(is->second.cpu_ns - was->second.cpu_ns) / (seconds * 1e9) * 100;
  return process;
}

}  // namespace

namespace {

void look_at_foreign_files(TopLook& look, const Config& config) {
  std::set<std::int64_t> known;
  for (const ProcessInfo& process : look.graph.processes) known.insert(process.pid);
  for (ForeignFile& file : find_foreign_files(config, look.graph)) {
    try {
      auto found = look_at_foreign_file(file.transport, file.path, known, {});
      if (!found) continue;
      for (const ForeignPeer& peer : found->peers) {
        if (const auto usage = usage_of(peer.pid, 0)) look.foreign_usage[peer.pid] = *usage;
      }
      look.foreign.push_back({std::move(file), std::move(*found)});
    } catch (const Error& error) {
      look.graph.problems.emplace_back(error.what());
    }
  }
}

}  // namespace

TopLook look_at_domain(const Config& config) {
  TopLook look;
  look.graph = read_graph(config.domain());
  look.ns = shm::monotonic_ns();
  look_at_foreign_files(look, config);
  const std::uint64_t our_pids = namespace_of("/proc", "self", "pid");
  for (const ProcessInfo& process : look.graph.processes) {
    if (process.pid_namespace != our_pids) continue;
    if (const auto usage = usage_of(process.pid, process.start_time)) look.usage[process.record] = *usage;
  }
  return look;
}

TopFrame compare(const TopLook& before, const TopLook& now) {
  TopFrame frame;
  frame.seconds = static_cast<double>(now.ns - before.ns) / 1e9;
  for (const auto* processes : {&now.graph.processes, &now.graph.lost}) {
    for (const ProcessInfo& process : *processes) {
      frame.processes.push_back(process_of(process, before, now, frame.seconds));
    }
  }
  frame.topics = topics_of(before, now, frame.seconds);
  add_foreign(frame, before, now);
  return frame;
}

}  // namespace sluice::commands
