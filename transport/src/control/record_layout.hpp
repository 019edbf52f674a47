#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/graph.hpp>
#include <sluice/shm/atomic.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

/// The record of one process: DIRECTORY/processes/PID-STARTTIME.process.
///
///   0     RecordHeader        who the process is, its heartbeat
///   4096  ExecutorProgress[]  whether its executors get on
///   8192  RecordEntry[]       its nodes, publishers and subscriptions
///
/// Written by its process alone; read by anybody, at any time, read-only. The file is made in full length but only the
/// entries in use have memory behind them; readers touch no entry at or beyond `used`.
///
/// The owner holds kOwnerByte exclusively from before the file has a name: the release of that lock is its death. It
/// also keeps a descriptor that was opened for writing by the file's name, whose close is what wakes the others; they
/// then look at the lock. `left` is set before the file is unlinked in order.
///
/// An entry's description is written under its version, as in a seqlock; `changes` counts after each of them.
namespace sluice::detail {

inline constexpr std::string_view kRecordSuffix = ".process";
inline constexpr std::uint32_t kRecordVersion = 2;
inline constexpr std::size_t kExecutorsOffset = 4096;
inline constexpr std::size_t kRecordEntriesOffset = 8192;
inline constexpr std::size_t kMaxRecordEntries = 8192;
inline constexpr shm::ByteRange kOwnerByte{0, 1};

/// Held by whoever unlinks a dead process's record.
inline constexpr shm::ByteRange kRemoverByte{1, 1};

struct RecordHeader {
  shm::SegmentHeader segment;
  std::uint64_t pid;
  std::uint64_t start_time;
  std::uint64_t pid_namespace;   ///< Inode; 0: hidden.
  std::uint64_t time_namespace;  ///< Inode; 0: hidden. Of equal ones the clocks are comparable.
  std::array<char, 64> executable;
  /// Control thread, once a period.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> heartbeat;
  shm::SharedAtomic<std::int64_t> heartbeat_ns;  ///< Monotonic time of the last one.
  shm::SharedAtomic<std::int64_t> period_ns;     ///< Between two.
  shm::SharedAtomic<std::int64_t> lease_ns;      ///< Without one for this long the process is late.
  shm::SharedAtomic<std::uint64_t> stuck_ms;     ///< The longest of all executors.
  shm::SharedAtomic<std::uint64_t> changes;      ///< Bumped after each change of an entry.
  // So far one cache line: what others look at once a period.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> used;  ///< Entries that were ever used.
  shm::SharedAtomic<std::uint32_t> left;                           ///< 1: it said goodbye.
};
static_assert(sizeof(RecordHeader) <= kExecutorsOffset);

/// Of one executor, written by the thread that spins it; `stuck_ms` by the control thread.
struct ExecutorProgress {
  /// Odd while callbacks may be running, even while it sleeps; another number for each round.
  alignas(shm::kCacheLine) shm::SharedAtomic<std::uint64_t> round;
  shm::SharedAtomic<std::uint64_t> stuck_ms;  ///< The round has not ended for so long; 0: it gets on.
};
inline constexpr std::size_t kMaxExecutors = 64;  ///< More of them are not watched.
static_assert(kExecutorsOffset + kMaxExecutors * sizeof(ExecutorProgress) <= kRecordEntriesOffset);

/// The numbers of an endpoint: on lines that only its owner touches on the hot path. Plain relaxed stores; a tool that
/// looks in between sees numbers one message apart.
struct EndpointStatistics {
  alignas(shm::kCacheLine) shm::SharedAtomic<std::uint64_t> messages;
  shm::SharedAtomic<std::uint64_t> bytes;
  shm::SharedAtomic<std::uint64_t> lost;
  shm::SharedAtomic<std::uint64_t> skipped;
  shm::SharedAtomic<std::uint64_t> queued;
  shm::SharedAtomic<std::uint64_t> timeouts;
  shm::SharedAtomic<std::uint64_t> deadlines_missed;
  alignas(shm::kCacheLine) std::array<shm::SharedAtomic<std::uint32_t>, LatencyHistogram::kBuckets> latency;
};
static_assert(sizeof(EndpointStatistics) == 320);

enum class EntryKind : std::uint32_t { free = 0, node = 1, publisher = 2, subscription = 3, observer = 4 };

enum class EntryState : std::uint32_t {
  opening = 0,  ///< Not to be seen yet.
  open = 1,
  refused = 2,  ///< It could not be opened, and `note` says why.
};

/// Plain fields: copied out unvalidated, then checked by the version.
struct EntryDescription {
  std::uint32_t executor;  ///< Nodes: one more than the index of their ExecutorProgress; 0: none.
  std::uint32_t reliability;
  std::uint32_t durability;
  std::uint32_t depth;
  std::uint32_t history;
  std::uint32_t reserved0;
  std::uint64_t max_size;
  std::uint64_t type_size;    ///< 0: variable.
  std::uint64_t layout_hash;  ///< 0: not known.
  std::int64_t deadline_ns;   ///< 0: none.
  std::int64_t liveliness_ns;
  std::int64_t max_blocking_ns;
  std::array<char, 256> name;  ///< Node or topic, fully qualified.
  std::array<char, 256> node;  ///< Endpoints: the name of theirs, which may be gone already.
  std::array<char, 256> type;
  std::array<char, 64> transport;
  std::array<char, 256> medium;  ///< The file that carries the topic: absolute, or of the domain's directory.
  std::array<char, 384> note;
};
static_assert(sizeof(EntryDescription) == 1544);

struct RecordEntry {
  shm::SharedAtomic<std::uint64_t> version;  ///< Odd while `kind`, `state` and `description` change.
  shm::SharedAtomic<std::uint32_t> kind;
  shm::SharedAtomic<std::uint32_t> state;
  EntryDescription description;
  EndpointStatistics statistics;
};
static_assert(offsetof(RecordEntry, description) == 16 && sizeof(RecordEntry) == 1920);

inline constexpr std::size_t kRecordSize = kRecordEntriesOffset + kMaxRecordEntries * sizeof(RecordEntry);

}  // namespace sluice::detail
