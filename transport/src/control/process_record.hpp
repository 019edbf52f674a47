#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/process_identity.hpp>
#include <sluice/shm/segment.hpp>

#include "control/record_layout.hpp"

namespace sluice::detail {

/// Where a domain's records are: DIRECTORY/processes.
[[nodiscard]] std::string records_directory(const std::string& domain_directory);

/// Whether a file of that directory is a record, by its name.
[[nodiscard]] bool is_record(std::string_view path) noexcept;

/// This process's record in a domain. Made complete and locked, then linked; unlinked by the destructor. If we die
/// instead, whoever comes next finds the lock free and unlinks it. Thread-safe.
class ProcessRecord {
 public:
  /// Throws Error.
  ProcessRecord(const std::string& domain_directory, const shm::Access& access);
  ~ProcessRecord();
  ProcessRecord(const ProcessRecord&) = delete;
  ProcessRecord& operator=(const ProcessRecord&) = delete;

  [[nodiscard]] std::size_t add_node(const std::string& fully_qualified_name);

  /// An endpoint that is being opened; nobody sees it before `set_open`.
  [[nodiscard]] std::size_t add_endpoint(EntryKind kind, std::size_t node_entry, const TopicSpec& spec,
                                         const std::string& medium);
  void set_open(std::size_t entry) noexcept;

  /// It could not be opened: it stays until the same is tried again, or the process ends, so that others can see why.
  void set_refused(std::size_t entry, const std::string& why) noexcept;
  void remove(std::size_t index) noexcept;

  /// Which executor spins a node; kMaxExecutors: none.
  void set_executor(std::size_t node_entry, std::size_t executor) noexcept;

  [[nodiscard]] EndpointStatistics& statistics(std::size_t entry) noexcept { return entry_at(entry).statistics; }
  [[nodiscard]] ExecutorProgress& executor(std::size_t index) noexcept {
    return mapping_.at<ExecutorProgress>(kExecutorsOffset)[index];
  }

  /// Of an ExecutorProgress that nobody else uses; kMaxExecutors: none is left.
  [[nodiscard]] std::size_t claim_executor() noexcept;
  void release_executor(std::size_t index) noexcept;

  /// Executors with a smaller index may be in use.
  [[nodiscard]] std::size_t executors_claimed() const noexcept {
    return executors_claimed_.load(std::memory_order_acquire);
  }
  void set_stuck(std::uint64_t longest_ms) noexcept { header().stuck_ms.store_relaxed(longest_ms); }

  void beat(std::chrono::nanoseconds period, std::chrono::nanoseconds lease) noexcept;

  /// Tells everybody who watches the directory that something in here changed.
  void announce() const noexcept;

  /// Called, by any thread, after each change of an entry. To be set before there is a second thread.
  void on_change(std::function<void()> changed);

  /// Makes the file anew, after somebody removed it or its directory; what points into the record stays valid. Throws
  /// Error.
  void restore();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Whether the name still means this file.
  [[nodiscard]] bool in_place() const noexcept;

  /// Whether an endpoint was refused so lately that others may not have seen it.
  [[nodiscard]] bool refused_lately() const noexcept;

 private:
  [[nodiscard]] RecordHeader& header() const noexcept { return *mapping_.at<RecordHeader>(0); }
  [[nodiscard]] RecordEntry& entry_at(std::size_t entry) const noexcept {
    return mapping_.at<RecordEntry>(kRecordEntriesOffset)[entry];
  }
  [[nodiscard]] std::size_t free_entry();
  template <typename Fill>
  void write_entry(RecordEntry& entry, EntryKind kind, EntryState state, Fill fill);
  void free_up(std::size_t index) noexcept;
  void forget_refused(EntryKind kind, const std::string& node, const std::string& topic) noexcept;
  void changed() noexcept;

  /// Complete, locked, and under its name; `fill` writes what is in it.
  template <typename Fill>
  [[nodiscard]] shm::UnnamedSegment make_file(const shm::ProcessIdentity& self, Fill fill);

  std::string directory_;
  shm::Access access_;
  mutable std::mutex mutex_;
  std::string path_;
  shm::UniqueFd fd_;  ///< Of the mapped description; for reserving more space.
  shm::Mapping mapping_;
  shm::FileLock lock_;       ///< Holds kOwnerByte; made before the file had its name.
  shm::FileLock announcer_;  ///< Opened by the name, for writing: its close wakes who watches the directory.
  std::size_t reserved_entries_ = 0;
  std::vector<std::size_t> free_;
  std::array<bool, kMaxExecutors> executors_{};
  std::atomic<std::size_t> executors_claimed_{0};
  std::function<void()> on_change_;
  std::atomic<std::int64_t> refused_ns_{0};  ///< When an endpoint was refused last; 0: never.
};

/// Unlinks the record at `path`, and what goes with it, if its process is dead; whether it did.
bool remove_dead_record(const std::string& path);

/// Whether the process of the record at `path` lives.
[[nodiscard]] bool record_owner_lives(const std::string& path);

}  // namespace sluice::detail
