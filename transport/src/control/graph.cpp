#include <sluice/graph.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <map>

#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include "control/domain_files.hpp"
#include "control/process_record.hpp"

namespace sluice {

namespace {

constexpr double kFirstBucketNs = 64.0;

struct EntryCopy {
  detail::EntryKind kind{};
  detail::EntryDescription description{};
};

/// False for an entry that is free, or whose owner is writing it (or died writing it).
bool copy_entry(const detail::RecordEntry& entry, EntryCopy& copy) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::uint64_t before = entry.version.load_acquire();
    if ((before & 1U) != 0) continue;
    copy.kind = static_cast<detail::EntryKind>(entry.kind.load_relaxed());
    shm::copy_unvalidated(&copy.description, &entry.description, sizeof copy.description);
    shm::fence_acquire();
    if (entry.version.load_relaxed() == before) return copy.kind != detail::EntryKind::free;
  }
  return false;
}

EndpointInfo endpoint_info(const EntryCopy& copy, const detail::EndpointStatistics& statistics) {
  EndpointInfo info;
  info.kind = copy.kind == detail::EntryKind::publisher ? EndpointKind::publisher : EndpointKind::subscription;
  info.topic = shm::load_text(copy.description.name);
  info.type = shm::load_text(copy.description.type);
  info.transport = shm::load_text(copy.description.transport);
  info.reliability = copy.description.reliability == 1 ? Reliability::reliable : Reliability::best_effort;
  info.depth = copy.description.depth;
  info.messages = statistics.messages.load_relaxed();
  info.bytes = statistics.bytes.load_relaxed();
  info.lost = statistics.lost.load_relaxed();
  info.skipped = statistics.skipped.load_relaxed();
  info.queued = statistics.queued.load_relaxed();
  info.timeouts = statistics.timeouts.load_relaxed();
  for (std::size_t b = 0; b < LatencyHistogram::kBuckets; ++b) {
    info.latency.counts[b] = statistics.latency[b].load_relaxed();
  }
  return info;
}

/// Entries that have memory behind them: touching a hole would ask for memory, and a full /dev/shm answers with SIGBUS.
std::uint64_t entries_in_memory(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return 0;
  const auto bytes = static_cast<std::uint64_t>(info.st_blocks) * 512;
  return bytes <= detail::kRecordEntriesOffset ? 0
                                               : (bytes - detail::kRecordEntriesOffset) / sizeof(detail::RecordEntry);
}

ProcessInfo read_record(const shm::AttachedSegment& attached) {
  const shm::Mapping& mapping = attached.mapping;
  const auto& header = *mapping.at<detail::RecordHeader>(0);
  ProcessInfo process;
  process.pid = static_cast<std::int64_t>(header.pid);
  process.executable = shm::load_text(header.executable);
  process.heartbeat = header.heartbeat.load_relaxed();
  process.progress = header.progress.load_relaxed();

  const std::uint64_t used = std::min(
      {header.used.load_acquire(), std::uint64_t{detail::kMaxRecordEntries}, entries_in_memory(attached.fd.get())});
  const auto* entries = mapping.at<detail::RecordEntry>(detail::kRecordEntriesOffset);
  std::map<std::uint64_t, std::string> nodes;
  std::vector<std::pair<std::uint32_t, EndpointInfo>> endpoints;
  for (std::uint64_t i = 0; i < used; ++i) {
    EntryCopy copy;
    if (!copy_entry(entries[i], copy)) continue;
    if (copy.kind == detail::EntryKind::node) {
      nodes[i] = shm::load_text(copy.description.name);
    } else if (copy.kind != detail::EntryKind::observer) {  // who merely looks is nobody's peer
      endpoints.emplace_back(copy.description.node_entry, endpoint_info(copy, entries[i].statistics));
    }
  }
  for (const auto& [index, name] : nodes) process.nodes.push_back(name);
  for (auto& [node_entry, endpoint] : endpoints) {
    const auto node = nodes.find(node_entry);
    if (node != nodes.end()) endpoint.node = node->second;
    process.endpoints.push_back(std::move(endpoint));
  }
  return process;
}

}  // namespace

std::size_t LatencyHistogram::bucket(std::int64_t ns) noexcept {
  if (ns <= static_cast<std::int64_t>(kFirstBucketNs)) return 0;
  const double bucket = 2.0 * std::log2(static_cast<double>(ns) / kFirstBucketNs);
  return std::min(static_cast<std::size_t>(bucket), kBuckets - 1);
}

std::uint64_t LatencyHistogram::total() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint32_t count : counts) sum += count;
  return sum;
}

std::int64_t LatencyHistogram::percentile(double share) const noexcept {
  const double wanted = share * static_cast<double>(total());
  std::uint64_t sum = 0;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    sum += counts[b];
    if (sum > 0 && static_cast<double>(sum) >= wanted) {
      return static_cast<std::int64_t>(kFirstBucketNs * std::exp2(static_cast<double>(b + 1) / 2.0));
    }
  }
  return 0;
}

LatencyHistogram LatencyHistogram::since(const LatencyHistogram& earlier) const noexcept {
  LatencyHistogram result;
  for (std::size_t b = 0; b < kBuckets; ++b) result.counts[b] = counts[b] - earlier.counts[b];
  return result;
}

GraphSnapshot read_graph(const DomainSettings& domain) {
  GraphSnapshot graph;
  for (const std::string& path : detail::domain_files(domain.directory())) {
    if (!path.ends_with(".process")) continue;
    const auto attached = shm::attach_segment(path, shm::SegmentKind::process_record, detail::kRecordVersion,
                                              detail::kRecordSize, shm::MapMode::read_only);
    if (attached.outcome == shm::AttachOutcome::absent) continue;  // left meanwhile
    if (!attached.ok()) {
      graph.problems.push_back(attached.reason);
    } else if (detail::record_owner_lives(path)) {
      graph.processes.push_back(read_record(attached));
    }
  }
  std::sort(graph.processes.begin(), graph.processes.end(),
            [](const ProcessInfo& a, const ProcessInfo& b) { return a.pid < b.pid; });
  return graph;
}

}  // namespace sluice
