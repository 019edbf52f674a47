#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

#include "control/record_layout.hpp"

namespace sluice::detail {

/// This process's record in a domain. Made complete and locked, then linked; unlinked by the destructor. If we die
/// instead, whoever comes next finds the lock free and unlinks it. Thread-safe.
class ProcessRecord {
 public:
  /// Throws Error.
  ProcessRecord(const std::string& directory, const shm::Access& access);
  ~ProcessRecord();
  ProcessRecord(const ProcessRecord&) = delete;
  ProcessRecord& operator=(const ProcessRecord&) = delete;

  [[nodiscard]] std::size_t add_node(const std::string& fully_qualified_name);
  [[nodiscard]] std::size_t add_endpoint(EntryKind kind, std::size_t node_entry, const TopicSpec& spec);
  void remove(std::size_t index) noexcept;

  [[nodiscard]] EndpointStatistics& statistics(std::size_t entry) noexcept { return entry_at(entry).statistics; }
  void beat() noexcept { header().heartbeat.fetch_add_relaxed(1); }
  void progress() noexcept { header().progress.fetch_add_relaxed(1); }

 private:
  [[nodiscard]] RecordHeader& header() const noexcept { return *mapping_.at<RecordHeader>(0); }
  [[nodiscard]] RecordEntry& entry_at(std::size_t entry) const noexcept {
    return mapping_.at<RecordEntry>(kRecordEntriesOffset)[entry];
  }
  [[nodiscard]] std::size_t free_entry();
  template <typename Fill>
  std::size_t fill_entry(EntryKind kind, Fill fill);

  std::mutex mutex_;
  std::string path_;
  shm::UniqueFd fd_;  ///< Of the mapped description; for reserving more space.
  shm::Mapping mapping_;
  shm::FileLock lock_;
  std::size_t reserved_entries_ = 0;
  std::vector<std::size_t> free_;
};

/// Unlinks the record at `path` if its process is dead; whether it did.
bool remove_dead_record(const std::string& path);

/// Whether the process of the record at `path` lives.
[[nodiscard]] bool record_owner_lives(const std::string& path);

}  // namespace sluice::detail
