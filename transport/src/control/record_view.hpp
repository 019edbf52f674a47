#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <sluice/graph.hpp>
#include <sluice/shm/segment.hpp>

#include "control/record_layout.hpp"

namespace sluice::detail {

/// The record of some process, looked at from outside. Stays readable after the file has lost its name, so that what a
/// process said last can still be read when it is gone.
class RecordView {
 public:
  /// Does not throw for what is there; see ok.
  [[nodiscard]] static RecordView attach(const std::string& path);

  [[nodiscard]] bool ok() const noexcept { return attached_.ok(); }
  [[nodiscard]] bool absent() const noexcept { return attached_.outcome == shm::AttachOutcome::absent; }

  /// Why it is not ok.
  [[nodiscard]] const std::string& problem() const noexcept { return attached_.reason; }

  [[nodiscard]] std::uint64_t inode() const noexcept { return attached_.inode; }
  [[nodiscard]] std::uint64_t heartbeat() const noexcept { return header().heartbeat.load_relaxed(); }
  [[nodiscard]] std::uint64_t changes() const noexcept { return header().changes.load_acquire(); }
  [[nodiscard]] bool left() const noexcept { return header().left.load_acquire() != 0; }
  [[nodiscard]] std::chrono::nanoseconds lease() const noexcept;

  /// For how long an executor has not come back from its callbacks; 0: all get on.
  [[nodiscard]] std::chrono::milliseconds stuck() const noexcept;

  /// Whether it has entries now that had no memory behind them when it was attached: attach it anew to see them.
  [[nodiscard]] bool has_grown() const noexcept { return header().used.load_acquire() > entries_in_memory_; }

  /// Since its last heartbeat; 0 when its clock is not ours (time namespaces).
  [[nodiscard]] std::chrono::nanoseconds age() const noexcept;

  /// All that it says. Whether the process is alive or late is not decided.
  [[nodiscard]] ProcessInfo read(const std::string& domain_directory) const;

  /// Decides that for a living process, by one look: by the age of its last heartbeat, where its clock is ours.
  void judge(ProcessInfo& process) const;

  /// As it is when no heartbeat came for `silence`, which is at least its lease, or an executor is stuck.
  void explain_lateness(ProcessInfo& process, std::chrono::nanoseconds silence) const;

 private:
  [[nodiscard]] const RecordHeader& header() const noexcept { return *attached_.mapping.at<RecordHeader>(0); }
  [[nodiscard]] const ExecutorProgress& executor(std::size_t index) const noexcept {
    return attached_.mapping.at<ExecutorProgress>(kExecutorsOffset)[index];
  }

  [[nodiscard]] std::string nodes_stuck() const;
  [[nodiscard]] std::uint64_t used() const noexcept;

  std::string path_;
  shm::AttachedSegment attached_;
  std::uint32_t user_ = 0;
  std::int64_t created_ns_ = 0;
  std::uint64_t entries_in_memory_ = 0;  ///< Touching a hole asks for memory, and a full /dev/shm answers with SIGBUS.
};

}  // namespace sluice::detail
