#include "control/process_record.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/memory_space.hpp>
#include <sluice/shm/process_identity.hpp>

#include "control/control_server.hpp"

namespace sluice::detail {

namespace {

constexpr std::size_t kEntriesPerStep = 32;
constexpr int kMostAttempts = 100;

/// Others look at a record within milliseconds; the rest is for a machine that is busy.
constexpr std::chrono::nanoseconds kSeenByOthers = std::chrono::milliseconds{50};

std::size_t bytes_for(std::size_t entries) { return kRecordEntriesOffset + entries * sizeof(RecordEntry); }

/// 0: /proc is hidden.
std::uint64_t namespace_inode(const char* path) {
  struct stat info {};
  return ::stat(path, &info) == 0 ? info.st_ino : 0;
}

shm::UnnamedSegment create_segment(const std::string& directory, const std::string& path, std::size_t entries,
                                   const shm::Access& access) {
  for (int attempt = 0;; ++attempt) {
    shm::ensure_directory(directory, access);
    try {
      return shm::UnnamedSegment::create({"process record", path, kRecordSize, bytes_for(entries), access});
    } catch (const SystemError& error) {
      // The last process to leave removes the empty directory; it may do so between our two calls.
      if (error.code() != ENOENT || attempt == kMostAttempts) throw;
    }
  }
}

void describe_self(RecordHeader& header, const shm::ProcessIdentity& self) {
  header.pid = static_cast<std::uint64_t>(self.pid);
  header.start_time = self.start_time;
  header.pid_namespace = namespace_inode("/proc/self/ns/pid");
  header.time_namespace = namespace_inode("/proc/self/ns/time");
  shm::store_text(header.executable, self.executable);
}

void describe(EntryDescription& description, const TopicSpec& spec, const std::string& medium) {
  const auto ns = [](const auto& duration) { return duration ? duration->count() : 0; };
  description.reliability = static_cast<std::uint32_t>(spec.qos.reliability);
  description.durability = static_cast<std::uint32_t>(spec.qos.durability);
  description.depth = spec.qos.depth;
  description.history = spec.qos.history;
  description.max_size = spec.max_size;
  description.type_size = spec.type.fixed_size;
  description.layout_hash = spec.type.layout_hash;
  description.deadline_ns = ns(spec.qos.deadline);
  description.liveliness_ns = ns(spec.qos.liveliness_lease);
  description.max_blocking_ns = spec.qos.max_blocking_time.count();
  shm::store_text(description.name, spec.name);
  shm::store_text(description.type, spec.type.name);
  shm::store_text(description.transport, spec.transport);
  shm::store_text(description.medium, medium);
}

void clear(EndpointStatistics& statistics) {
  for (auto* word : {&statistics.messages, &statistics.bytes, &statistics.lost, &statistics.skipped, &statistics.queued,
                     &statistics.timeouts, &statistics.deadlines_missed}) {
    word->store_relaxed(0);
  }
  for (auto& count : statistics.latency) count.store_relaxed(0);
}

}  // namespace

std::string records_directory(const std::string& domain_directory) { return domain_directory + "/processes"; }

bool is_record(std::string_view path) noexcept { return path.ends_with(kRecordSuffix); }

ProcessRecord::ProcessRecord(const std::string& domain_directory, const shm::Access& access)
    : directory_(records_directory(domain_directory)), access_(access), reserved_entries_(kEntriesPerStep) {
  const shm::ProcessIdentity self = shm::ProcessIdentity::self();
  auto segment = make_file(self, [&](const shm::UnnamedSegment& made) {
    describe_self(*made.mapping().at<RecordHeader>(0), self);
    SLUICE_KILL_POINT("record.filled");
  });
  mapping_ = segment.take_mapping();
  fd_ = segment.take_fd();
  SLUICE_KILL_POINT("record.complete");
}

template <typename Fill>
shm::UnnamedSegment ProcessRecord::make_file(const shm::ProcessIdentity& self, Fill fill) {
  const std::string base = directory_ + "/" + std::to_string(self.pid) + "-" + std::to_string(self.start_time);
  // Two containers that share the directory can have equal pids and start times; then the name gets a number.
  for (int number = 0, removed = 0; number < kMostAttempts;) {
    const std::string path = base + (number == 0 ? "" : "-" + std::to_string(number)) + std::string{kRecordSuffix};
    auto segment = create_segment(directory_, path, reserved_entries_, access_);
    segment.write_header(shm::SegmentKind::process_record, kRecordVersion);
    fill(segment);
    auto lock = shm::FileLock::reopen(segment.fd(), "the process record");
    if (!lock.try_lock_exclusive(kOwnerByte)) throw Error("the new process record is locked by somebody else");
    SLUICE_KILL_POINT("record.locked");
    try {
      if (!segment.link()) {
        ++number;
        continue;
      }
      announcer_ = shm::FileLock::open(path);
    } catch (const SystemError& error) {
      // An unnamed file does not keep its directory: the last process to leave removed it after we created ours.
      if (error.code() != ENOENT || ++removed == kMostAttempts) throw;
      continue;
    }
    lock_ = std::move(lock);
    path_ = path;
    return segment;
  }
  throw Error("there are already " + std::to_string(kMostAttempts) + " process records named '" + base + "*'");
}

void ProcessRecord::restore() {
  const std::lock_guard lock(mutex_);
  auto segment = make_file(shm::ProcessIdentity::self(), [&](const shm::UnnamedSegment& made) {
    // Numbers that change meanwhile are a message apart, as always. The new file's own header stays.
    constexpr std::size_t kOwn = sizeof(shm::SegmentHeader);
    std::memcpy(made.mapping().data() + kOwn, mapping_.data() + kOwn, bytes_for(header().used.load_relaxed()) - kOwn);
  });
  // In one step for the threads that store into it.
  shm::Mapping fresh = segment.take_mapping();
  if (::mremap(fresh.data(), fresh.size(), fresh.size(), MREMAP_MAYMOVE | MREMAP_FIXED, mapping_.data()) ==
      MAP_FAILED) {
    throw SystemError("cannot put the process record anew in its place", errno);
  }
  fresh.forget();
  fd_ = segment.take_fd();
}

bool ProcessRecord::in_place() const noexcept {
  struct stat info {};
  return ::fstat(lock_.fd(), &info) == 0 && shm::name_means(path_, info.st_ino);
}

ProcessRecord::~ProcessRecord() {
  if (!lock_.usable()) return;  // in a forked child the record is its parent's
  header().left.store_release(1);
  SLUICE_KILL_POINT("record.leaving");
  ::unlink(path_.c_str());
  SLUICE_KILL_POINT("record.unlinked");
}

void ProcessRecord::on_change(std::function<void()> changed) { on_change_ = std::move(changed); }

void ProcessRecord::changed() noexcept {
  header().changes.fetch_add_acq_rel(1);
  if (on_change_) on_change_();
}

void ProcessRecord::announce() const noexcept { (void)::futimens(announcer_.fd(), nullptr); }

void ProcessRecord::beat(std::chrono::nanoseconds period, std::chrono::nanoseconds lease) noexcept {
  header().period_ns.store_relaxed(period.count());
  header().lease_ns.store_relaxed(lease.count());
  header().heartbeat_ns.store_relaxed(shm::monotonic_ns());
  header().heartbeat.fetch_add_relaxed(1);
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
    shm::reserve_space(fd_.get(), bytes_for(entry), kEntriesPerStep * sizeof(RecordEntry), "process record", path_);
    SLUICE_KILL_POINT("record.grown");
    reserved_entries_ += kEntriesPerStep;
  }
  header().used.store_release(entry + 1);
  SLUICE_KILL_POINT("record.entry.counted");
  return entry;
}

/// SYNC record: as a seqlock; if we die in the middle the version stays odd and readers leave the entry out. `mutex_`
/// is held.
template <typename Fill>
void ProcessRecord::write_entry(RecordEntry& entry, EntryKind kind, EntryState state, Fill fill) {
  const std::uint64_t odd = entry.version.load_relaxed() | 1U;
  entry.version.store_relaxed(odd);
  SLUICE_KILL_POINT("record.entry.opened");
  shm::fence_release();
  fill(entry.description);
  entry.kind.store_relaxed(static_cast<std::uint32_t>(kind));
  entry.state.store_relaxed(static_cast<std::uint32_t>(state));
  SLUICE_KILL_POINT("record.entry.filled");
  entry.version.store_release(odd + 1);
  SLUICE_KILL_POINT("record.entry.added");
}

std::size_t ProcessRecord::add_node(const std::string& fully_qualified_name) {
  std::size_t index = 0;
  {
    const std::lock_guard lock(mutex_);
    index = free_entry();
    write_entry(entry_at(index), EntryKind::node, EntryState::open, [&](EntryDescription& description) {
      description = {};
      shm::store_text(description.name, fully_qualified_name);
    });
  }
  changed();
  return index;
}

std::size_t ProcessRecord::add_endpoint(EntryKind kind, std::size_t node_entry, const TopicSpec& spec,
                                        const std::string& medium) {
  const std::lock_guard lock(mutex_);
  const std::string node = shm::load_text(entry_at(node_entry).description.name);
  forget_refused(kind, node, spec.name);
  const std::size_t index = free_entry();
  clear(entry_at(index).statistics);
  write_entry(entry_at(index), kind, EntryState::opening, [&](EntryDescription& description) {
    description = {};
    shm::store_text(description.node, node);
    describe(description, spec, medium);
  });
  return index;
}

void ProcessRecord::set_open(std::size_t entry) noexcept {
  {
    const std::lock_guard lock(mutex_);
    RecordEntry& opened = entry_at(entry);
    write_entry(opened, static_cast<EntryKind>(opened.kind.load_relaxed()), EntryState::open, [](auto&) {});
  }
  changed();
}

void ProcessRecord::set_refused(std::size_t entry, const std::string& why) noexcept {
  {
    const std::lock_guard lock(mutex_);
    RecordEntry& refused = entry_at(entry);
    write_entry(refused, static_cast<EntryKind>(refused.kind.load_relaxed()), EntryState::refused,
                [&](EntryDescription& description) { shm::store_text(description.note, why); });
  }
  refused_ns_.store(shm::monotonic_ns(), std::memory_order_relaxed);
  changed();
  announce();
}

bool ProcessRecord::refused_lately() const noexcept {
  const std::int64_t at = refused_ns_.load(std::memory_order_relaxed);
  return at != 0 && shm::monotonic_ns() - at < kSeenByOthers.count();
}

void ProcessRecord::set_executor(std::size_t node_entry, std::size_t executor) noexcept {
  if (!lock_.usable()) return;
  const std::lock_guard lock(mutex_);
  write_entry(entry_at(node_entry), EntryKind::node, EntryState::open, [&](EntryDescription& description) {
    description.executor = executor == kMaxExecutors ? 0 : static_cast<std::uint32_t>(executor + 1);
  });
}

std::size_t ProcessRecord::claim_executor() noexcept {
  const std::lock_guard lock(mutex_);
  const auto free = std::find(executors_.begin(), executors_.end(), false);
  if (free == executors_.end()) return kMaxExecutors;
  *free = true;
  const auto index = static_cast<std::size_t>(free - executors_.begin());
  executors_claimed_.store(std::max(executors_claimed(), index + 1), std::memory_order_release);
  return index;
}

void ProcessRecord::release_executor(std::size_t index) noexcept {
  const std::lock_guard lock(mutex_);
  if (index < kMaxExecutors) executors_[index] = false;
}

/// `mutex_` is held. The entry becomes free, in a record that is ours.
void ProcessRecord::free_up(std::size_t index) noexcept {
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

void ProcessRecord::remove(std::size_t index) noexcept {
  if (!lock_.usable()) return;  // in a forked child: the record is its parent's
  {
    const std::lock_guard lock(mutex_);
    free_up(index);
  }
  changed();
}

/// `mutex_` is held.
void ProcessRecord::forget_refused(EntryKind kind, const std::string& node, const std::string& topic) noexcept {
  for (std::size_t index = 0; index < header().used.load_relaxed(); ++index) {
    const RecordEntry& entry = entry_at(index);
    if (entry.state.load_relaxed() == static_cast<std::uint32_t>(EntryState::refused) &&
        entry.kind.load_relaxed() == static_cast<std::uint32_t>(kind) &&
        shm::load_text(entry.description.node) == node && shm::load_text(entry.description.name) == topic) {
      free_up(index);
    }
  }
}

bool remove_dead_record(const std::string& path) {
  if (!shm::remove_dead_segment(path, shm::SegmentKind::process_record, kOwnerByte, kRemoverByte)) return false;
  ::unlink(control_socket_path(path).c_str());  // if we die before, the next sweep finds it without a record
  SLUICE_KILL_POINT("control.dead.removed");
  return true;
}

bool record_owner_lives(const std::string& path) {
  try {
    return shm::FileLock::open(path, true).held_by_other(kOwnerByte);
  } catch (const SystemError& error) {
    return error.code() != ENOENT;  // what we may not open is not ours to bury
  }
}

}  // namespace sluice::detail

namespace sluice {

Footprint process_footprint(std::size_t entries) {
  constexpr std::uint32_t kOfTheRecord = 3;   // to grow it, to hold its lock, to announce its end
  constexpr std::uint32_t kOfTheControl = 5;  // what Asio waits with: epoll, eventfd, timerfd; inotify; the socket
  const std::size_t steps = (entries + detail::kEntriesPerStep - 1) / detail::kEntriesPerStep;
  const std::size_t reserved = std::max<std::size_t>(steps, 1) * detail::kEntriesPerStep;
  Footprint footprint;
  footprint.files = {
      {"processes/PID-START.process", shm::whole_pages(detail::bytes_for(reserved)), kOfTheRecord + kOfTheControl}};
  footprint.threads_per_process = 1;
  footprint.detail = "record with room for " + std::to_string(reserved) + " nodes, publishers and subscriptions";
  return footprint;
}

}  // namespace sluice
