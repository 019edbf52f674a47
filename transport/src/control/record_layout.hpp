#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <sluice/graph.hpp>
#include <sluice/shm/atomic.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

/// The record of one process: DIRECTORY/PID-STARTTIME.process.
///
///   0     RecordHeader   who the process is, its heartbeats
///   4096  RecordEntry[]  its nodes, publishers and subscriptions
///
/// Written by its process alone; read by anybody, at any time, read-only. The file is made in full length but only the
/// entries in use have memory behind them; readers touch no entry at or beyond `used`.
/// The owner holds kOwnerByte exclusively from before the file has a name: the release of that lock is its death.
namespace sluice::detail {

inline constexpr std::uint32_t kRecordVersion = 1;
inline constexpr std::size_t kRecordEntriesOffset = 4096;
inline constexpr std::size_t kMaxRecordEntries = 8192;
inline constexpr shm::ByteRange kOwnerByte{0, 1};

/// Held by whoever unlinks a dead process's record.
inline constexpr shm::ByteRange kRemoverByte{1, 1};

struct RecordHeader {
  shm::SegmentHeader segment;
  std::uint64_t pid;
  std::uint64_t start_time;
  std::array<char, 64> executable;
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> heartbeat;  ///< Control thread, once a period.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> progress;   ///< Executor, once a round.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> used;       ///< Entries that were ever used.
};
static_assert(sizeof(RecordHeader) <= kRecordEntriesOffset);

/// The numbers of an endpoint: on lines that only its owner touches on the hot path. Plain relaxed stores; a tool that
/// looks in between sees numbers one message apart.
struct EndpointStatistics {
  alignas(shm::kCacheLine) shm::SharedAtomic<std::uint64_t> messages;
  shm::SharedAtomic<std::uint64_t> bytes;
  shm::SharedAtomic<std::uint64_t> lost;
  shm::SharedAtomic<std::uint64_t> skipped;
  shm::SharedAtomic<std::uint64_t> queued;
  shm::SharedAtomic<std::uint64_t> timeouts;
  alignas(shm::kCacheLine) std::array<shm::SharedAtomic<std::uint32_t>, LatencyHistogram::kBuckets> latency;
};
static_assert(sizeof(EndpointStatistics) == 320);

enum class EntryKind : std::uint32_t { free = 0, node = 1, publisher = 2, subscription = 3, observer = 4 };

/// Plain fields: copied out unvalidated, then checked by the version.
struct EntryDescription {
  std::uint32_t node_entry;  ///< Endpoints: the entry of their node.
  std::uint32_t depth;
  std::uint32_t reliability;
  std::array<char, 256> name;  ///< Node or topic, fully qualified.
  std::array<char, 256> type;
  std::array<char, 64> transport;
};
static_assert(sizeof(EntryDescription) == 588);

struct RecordEntry {
  shm::SharedAtomic<std::uint64_t> version;  ///< Odd while `kind` and `description` change.
  shm::SharedAtomic<std::uint32_t> kind;
  EntryDescription description;
  EndpointStatistics statistics;
};
static_assert(offsetof(RecordEntry, description) == 12 && sizeof(RecordEntry) == 960);

inline constexpr std::size_t kRecordSize = kRecordEntriesOffset + kMaxRecordEntries * sizeof(RecordEntry);

}  // namespace sluice::detail
