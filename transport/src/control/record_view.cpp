#include "control/record_view.hpp"

#include <sys/stat.h>

#include <algorithm>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/process_identity.hpp>
#include <sluice/shm/unvalidated_copy.hpp>
#include <sluice/units.hpp>

namespace sluice::detail {

namespace {

constexpr std::chrono::hours kLongestLease{24};

struct EntryCopy {
  EntryKind kind{};
  EntryState state{};
  EntryDescription description{};
};

/// False for an entry that is free, or whose owner is writing it (or died writing it).
bool copy_entry(const RecordEntry& entry, EntryCopy& copy) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::uint64_t before = entry.version.load_acquire();
    if ((before & 1U) != 0) continue;
    copy.kind = static_cast<EntryKind>(entry.kind.load_relaxed());
    copy.state = static_cast<EntryState>(entry.state.load_relaxed());
    shm::copy_unvalidated(&copy.description, &entry.description, sizeof copy.description);
    shm::fence_acquire();
    if (entry.version.load_relaxed() == before) return copy.kind != EntryKind::free;
  }
  return false;
}

/// What other programs wrote is no duration just because it is a number.
std::optional<std::chrono::nanoseconds> duration_of(std::int64_t ns) {
  if (ns <= 0) return std::nullopt;
  return std::chrono::nanoseconds{ns};
}

EndpointInfo endpoint_info(const EntryCopy& copy, const EndpointStatistics& statistics,
                           const std::string& domain_directory) {
  const EntryDescription& description = copy.description;
  EndpointInfo info;
  info.kind = copy.kind == EntryKind::publisher ? EndpointKind::publisher : EndpointKind::subscription;
  info.node = shm::load_text(description.node);
  info.topic = shm::load_text(description.name);
  info.type = shm::load_text(description.type);
  info.type_size = description.type_size;
  info.layout_hash = description.layout_hash;
  info.transport = shm::load_text(description.transport);
  info.medium = shm::load_text(description.medium);
  if (!info.medium.empty() && info.medium.front() != '/') info.medium = domain_directory + "/" + info.medium;
  info.qos.reliability = description.reliability == 1 ? Reliability::reliable : Reliability::best_effort;
  info.qos.durability = description.durability == 1 ? Durability::transient_local : Durability::volatile_;
  info.qos.depth = description.depth;
  info.qos.history = description.history;
  info.qos.deadline = duration_of(description.deadline_ns);
  info.qos.liveliness_lease = duration_of(description.liveliness_ns);
  info.qos.max_blocking_time = std::chrono::nanoseconds{std::max<std::int64_t>(0, description.max_blocking_ns)};
  info.max_size = description.max_size;
  if (copy.state == EntryState::refused) {
    info.refused = shm::load_text(description.note);
    if (info.refused.empty()) info.refused = "it does not say why";
  }
  info.messages = statistics.messages.load_relaxed();
  info.bytes = statistics.bytes.load_relaxed();
  info.lost = statistics.lost.load_relaxed();
  info.skipped = statistics.skipped.load_relaxed();
  info.queued = statistics.queued.load_relaxed();
  info.timeouts = statistics.timeouts.load_relaxed();
  info.deadlines_missed = statistics.deadlines_missed.load_relaxed();
  for (std::size_t b = 0; b < LatencyHistogram::kBuckets; ++b) {
    info.latency.counts[b] = statistics.latency[b].load_relaxed();
  }
  return info;
}

std::uint64_t entries_in(std::uint64_t bytes) {
  return bytes <= kRecordEntriesOffset ? 0 : (bytes - kRecordEntriesOffset) / sizeof(RecordEntry);
}

std::string seconds_text(std::chrono::nanoseconds duration) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

}  // namespace

RecordView RecordView::attach(const std::string& path) {
  RecordView view;
  view.path_ = path;
  view.attached_ =
      shm::attach_segment(path, shm::SegmentKind::process_record, kRecordVersion, kRecordSize, shm::MapMode::read_only);
  struct stat info {};
  if (view.ok() && ::fstat(view.attached_.fd.get(), &info) == 0) {
    view.entries_in_memory_ = entries_in(static_cast<std::uint64_t>(info.st_blocks) * 512);
    view.user_ = info.st_uid;
    view.created_ns_ = static_cast<std::int64_t>(view.header().segment.created_ns);
  }
  view.attached_.fd.reset();  // two hundred processes would hold two hundred descriptors each
  return view;
}

std::chrono::nanoseconds RecordView::lease() const noexcept {
  return std::chrono::nanoseconds{
      std::clamp<std::int64_t>(header().lease_ns.load_relaxed(), 1, std::chrono::nanoseconds{kLongestLease}.count())};
}

std::chrono::milliseconds RecordView::stuck() const noexcept {
  constexpr auto kMost = static_cast<std::uint64_t>(std::chrono::milliseconds{std::chrono::hours{24 * 365}}.count());
  return std::chrono::milliseconds{std::min(header().stuck_ms.load_relaxed(), kMost)};
}

std::uint64_t RecordView::used() const noexcept {
  return std::min({header().used.load_acquire(), std::uint64_t{kMaxRecordEntries}, entries_in_memory_});
}

ProcessInfo RecordView::read(const std::string& domain_directory) const {
  ProcessInfo process;
  process.pid = static_cast<std::int64_t>(header().pid);
  process.start_time = header().start_time;
  process.user = user_;
  process.executable = shm::load_text(header().executable);
  process.record = path_;
  process.joined_ns = created_ns_;
  process.pid_namespace = header().pid_namespace;
  process.heartbeat = heartbeat();
  for (std::size_t i = 0; i < kMaxExecutors; ++i) process.progress += executor(i).round.load_relaxed();

  const std::uint64_t count = used();
  const auto* entries = attached_.mapping.at<RecordEntry>(kRecordEntriesOffset);
  for (std::uint64_t i = 0; i < count; ++i) {
    EntryCopy copy;
    if (!copy_entry(entries[i], copy) || copy.state == EntryState::opening) continue;
    if (copy.kind == EntryKind::node) {
      process.nodes.push_back(shm::load_text(copy.description.name));
    } else if (copy.kind != EntryKind::observer) {  // who merely looks is nobody's peer
      EndpointInfo endpoint = endpoint_info(copy, entries[i].statistics, domain_directory);
      (endpoint.refused.empty() ? process.endpoints : process.refused).push_back(std::move(endpoint));
    }
  }
  return process;
}

std::chrono::nanoseconds RecordView::age() const noexcept {
  static const std::uint64_t our_time = [] {
    struct stat info {};
    return ::stat("/proc/self/ns/time", &info) == 0 ? info.st_ino : 0;
  }();
  if (header().time_namespace != our_time) return {};
  const std::int64_t now = shm::monotonic_ns();
  return std::chrono::nanoseconds{now - std::clamp<std::int64_t>(header().heartbeat_ns.load_relaxed(), 0, now)};
}

void RecordView::judge(ProcessInfo& process) const {
  const std::chrono::nanoseconds silence = age();
  if (silence > lease()) {
    explain_lateness(process, silence);
  } else if (stuck() >= lease()) {
    explain_lateness(process, {});
  }
}

void RecordView::explain_lateness(ProcessInfo& process, std::chrono::nanoseconds silence) const {
  process.liveliness = Liveliness::late;
  if (silence.count() == 0) {
    process.late_because = "a callback has been running for " + seconds_text(stuck()) + nodes_stuck();
  } else if (shm::process_is_stopped(static_cast<std::uint32_t>(header().pid), header().start_time)) {
    process.late_because = "no sign of life for " + seconds_text(silence) + ": stopped by a signal or a debugger";
  } else {
    process.late_because = "no sign of life for " + seconds_text(silence);
  }
}

/// " (nodes /a, /b)".
std::string RecordView::nodes_stuck() const {
  const auto* entries = attached_.mapping.at<RecordEntry>(kRecordEntriesOffset);
  std::string text;
  for (std::uint64_t i = 0; i < used(); ++i) {
    EntryCopy copy;
    if (!copy_entry(entries[i], copy) || copy.kind != EntryKind::node) continue;
    const std::uint32_t slot = copy.description.executor;
    if (slot == 0 || slot > kMaxExecutors || executor(slot - 1).stuck_ms.load_relaxed() == 0) continue;
    text += (text.empty() ? "" : ", ") + shm::load_text(copy.description.name);
  }
  return text.empty() ? text : " (" + text + ")";
}

}  // namespace sluice::detail
