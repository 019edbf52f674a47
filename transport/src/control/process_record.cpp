#include "control/process_record.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/memory_space.hpp>
#include <sluice/shm/process_identity.hpp>

namespace sluice::detail {

namespace {

constexpr std::size_t kEntriesPerStep = 32;
constexpr int kMostAttempts = 100;

shm::UnnamedSegment create_segment(const std::string& directory, const std::string& path, const shm::Access& access) {
  const std::size_t first = kRecordEntriesOffset + kEntriesPerStep * sizeof(RecordEntry);
  for (int attempt = 0;; ++attempt) {
    shm::ensure_directory(directory, access);
    try {
      return shm::UnnamedSegment::create({"process record", path, kRecordSize, first, access});
    } catch (const SystemError& error) {
      // The last process to leave removes the empty directory; it may do so between our two calls.
      if (error.code() != ENOENT || attempt == kMostAttempts) throw;
    }
  }
}

}  // namespace

ProcessRecord::ProcessRecord(const std::string& directory, const shm::Access& access) {
  const shm::ProcessIdentity self = shm::ProcessIdentity::self();
  const std::string base = directory + "/" + std::to_string(self.pid) + "-" + std::to_string(self.start_time);
  // Two containers that share the directory can have equal pids and start times; then the name gets a number.
  for (int number = 0, removed = 0; number < kMostAttempts;) {
    path_ = base + (number == 0 ? "" : "-" + std::to_string(number)) + ".process";
    auto segment = create_segment(directory, path_, access);
    segment.write_header(shm::SegmentKind::process_record, kRecordVersion);
    auto& header = *segment.mapping().at<RecordHeader>(0);
    header.pid = static_cast<std::uint64_t>(self.pid);
    header.start_time = self.start_time;
    shm::store_text(header.executable, self.executable);
    SLUICE_KILL_POINT("record.filled");
    lock_ = shm::FileLock::reopen(segment.fd(), "the process record");
    if (!lock_.try_lock_exclusive(kOwnerByte)) throw Error("the new process record is locked by somebody else");
    SLUICE_KILL_POINT("record.locked");
    try {
      if (!segment.link()) {
        ++number;
        continue;
      }
    } catch (const SystemError& error) {
      // An unnamed file does not keep its directory: the last process to leave removed it after we created ours.
      if (error.code() != ENOENT || ++removed == kMostAttempts) throw;
      continue;
    }
    mapping_ = segment.take_mapping();
    fd_ = segment.take_fd();
    reserved_entries_ = kEntriesPerStep;
    SLUICE_KILL_POINT("record.complete");
    return;
  }
  throw Error("there are already " + std::to_string(kMostAttempts) + " process records named '" + base + "*'");
}

ProcessRecord::~ProcessRecord() {
  if (!lock_.usable()) return;  // in a forked child the record is its parent's
  SLUICE_KILL_POINT("record.leaving");
  ::unlink(path_.c_str());
  SLUICE_KILL_POINT("record.unlinked");
}

std::size_t ProcessRecord::free_entry() {
  if (!free_.empty()) {
    const std::size_t entry = free_.back();
    free_.pop_back();
    return entry;
  }
  const std::size_t entry = header().used.load_relaxed();
  if (entry == kMaxRecordEntries) {
    throw Error("this process has " + std::to_string(kMaxRecordEntries) +
                " nodes, publishers and subscriptions, the most that fit into its record; use several processes");
  }
  if (entry == reserved_entries_) {
    shm::reserve_space(fd_.get(), kRecordEntriesOffset + entry * sizeof(RecordEntry),
                       kEntriesPerStep * sizeof(RecordEntry), "process record", path_);
    SLUICE_KILL_POINT("record.grown");
    reserved_entries_ += kEntriesPerStep;
  }
  header().used.store_release(entry + 1);
  SLUICE_KILL_POINT("record.entry.counted");
  return entry;
}

/// SYNC record: as a seqlock; if we die in the middle the version stays odd and readers leave the entry out.
template <typename Fill>
std::size_t ProcessRecord::fill_entry(EntryKind kind, Fill fill) {
  const std::lock_guard lock(mutex_);
  const std::size_t index = free_entry();
  RecordEntry& entry = entry_at(index);
  const std::uint64_t odd = entry.version.load_relaxed() | 1U;
  entry.version.store_relaxed(odd);
  SLUICE_KILL_POINT("record.entry.opened");
  shm::fence_release();
  fill(entry);
  entry.kind.store_relaxed(static_cast<std::uint32_t>(kind));
  SLUICE_KILL_POINT("record.entry.filled");
  entry.version.store_release(odd + 1);
  SLUICE_KILL_POINT("record.entry.added");
  return index;
}

std::size_t ProcessRecord::add_node(const std::string& fully_qualified_name) {
  return fill_entry(EntryKind::node,
                    [&](RecordEntry& entry) { shm::store_text(entry.description.name, fully_qualified_name); });
}

std::size_t ProcessRecord::add_endpoint(EntryKind kind, std::size_t node_entry, const TopicSpec& spec) {
  return fill_entry(kind, [&](RecordEntry& entry) {
    EntryDescription& description = entry.description;
    description.node_entry = static_cast<std::uint32_t>(node_entry);
    description.depth = spec.qos.depth;
    description.reliability = static_cast<std::uint32_t>(spec.qos.reliability);
    shm::store_text(description.name, spec.name);
    shm::store_text(description.type, spec.type.name);
    shm::store_text(description.transport, spec.transport);
    EndpointStatistics& statistics = entry.statistics;
    for (auto* word : {&statistics.messages, &statistics.bytes, &statistics.lost, &statistics.skipped,
                       &statistics.queued, &statistics.timeouts}) {
      word->store_relaxed(0);
    }
    for (auto& count : statistics.latency) count.store_relaxed(0);
  });
}

void ProcessRecord::remove(std::size_t index) noexcept {
  if (!lock_.usable()) return;  // in a forked child: the record is its parent's
  const std::lock_guard lock(mutex_);
  RecordEntry& entry = entry_at(index);
  const std::uint64_t odd = entry.version.load_relaxed() | 1U;
  entry.version.store_relaxed(odd);
  SLUICE_KILL_POINT("record.entry.leaving");
  shm::fence_release();
  entry.kind.store_relaxed(static_cast<std::uint32_t>(EntryKind::free));
  entry.version.store_release(odd + 1);
  SLUICE_KILL_POINT("record.entry.removed");
  try {
    free_.push_back(index);
  } catch (const std::bad_alloc&) {
    // The entry stays unused.
  }
}

bool remove_dead_record(const std::string& path) {
  return shm::remove_dead_segment(path, shm::SegmentKind::process_record, kOwnerByte, kRemoverByte);
}

bool record_owner_lives(const std::string& path) {
  try {
    return shm::FileLock::open(path, true).held_by_other(kOwnerByte);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sluice::detail

namespace sluice {

Footprint process_footprint(std::size_t entries) {
  constexpr std::uint32_t kOfTheRecord = 2;   // to grow it, and to hold its lock
  constexpr std::uint32_t kOfTheControl = 3;  // what Asio waits with: epoll, eventfd, timerfd
  const std::size_t steps = (entries + detail::kEntriesPerStep - 1) / detail::kEntriesPerStep;
  const std::size_t reserved = std::max<std::size_t>(steps, 1) * detail::kEntriesPerStep;
  const std::size_t bytes = detail::kRecordEntriesOffset + reserved * sizeof(detail::RecordEntry);
  Footprint footprint;
  footprint.files = {{"PID-START.process", shm::whole_pages(bytes), kOfTheRecord + kOfTheControl}};
  footprint.threads_per_process = 1;
  footprint.detail = "record with room for " + std::to_string(reserved) + " nodes, publishers and subscriptions";
  return footprint;
}

}  // namespace sluice
