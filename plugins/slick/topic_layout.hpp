#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

/// The file of one Sluice topic. PROTOCOL.md says who writes which word and why it is safe.
///
///   0        TopicHeader    what the topic is; written before the file has a name, constant afterwards
///   4096     TopicControl   reserved, horizon, doorbells
///   readers  ReaderEntry[]  one per subscription; owned through the lock byte at the entry's own file offset
///   writers  WriterEntry[]  one per publisher; likewise
///   holds    words          max_views per reader entry: the chunks that a subscription looks at
///   groups   GroupEntry[]   one per work-stealing group, each with a claim word per cell
///   ring     Cell[]         capacity cells of cell_stride bytes
///   chunks   ChunkState[]   one word per chunk: who has it
///   pool     bytes          the chunks: payloads that do not travel inline, one run of memory per chunk size
namespace sluice::slick {

inline constexpr std::uint32_t kTopicVersion = 3;
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kNameLength = 256;

/// The lock byte that every endpoint holds shared while the topic is open; whoever gets it exclusively is alone.
inline constexpr shm::ByteRange kLifetimeByte{0, 1};

/// Held exclusively while a member of a group joins or leaves, or a group is given up.
inline constexpr shm::ByteRange kGroupsByte{2, 1};

/// Held exclusively while somebody compares the type with its own, or writes it down as the first who knows it.
inline constexpr shm::ByteRange kTypeByte{1, 1};

/// Chunks of one size.
struct ChunkClass {
  std::uint64_t size;    ///< Bytes of a chunk; a multiple of a cache line.
  std::uint64_t offset;  ///< Of the first one in the file.
  std::uint32_t first;   ///< Its number; chunks are counted through all classes.
  std::uint32_t count;
};
static_assert(sizeof(ChunkClass) == 24);
inline constexpr std::size_t kChunkClasses = 8;

struct TopicHeader {
  shm::SegmentHeader segment;
  std::uint64_t capacity;      ///< Cells; a power of two, at least kMinCapacity.
  std::uint64_t cell_stride;   ///< Bytes from one cell to the next; a multiple of a cache line.
  std::uint64_t max_payload;   ///< Longest message in bytes.
  std::uint64_t inline_limit;  ///< Longest message that travels in its cell; longer ones travel in a chunk.
  std::uint64_t horizon_step;  ///< How far the horizon runs ahead of `reserved`.
  std::uint64_t reach;         ///< reliable: how far the horizon runs ahead of the slowest reader.
  std::uint64_t window;        ///< best_effort: a chunk published this far behind the horizon may be used again.
  std::uint64_t readers_offset;
  std::uint64_t writers_offset;
  std::uint64_t holds_offset;
  std::uint64_t groups_offset;
  std::uint64_t group_stride;
  std::uint64_t ring_offset;
  std::uint64_t chunks_offset;
  std::array<ChunkClass, kChunkClasses> chunk_classes;  ///< By size; those that are not used have count 0.
  std::uint32_t max_views;                              ///< Chunks that a subscription may hold at once.
  std::uint32_t max_loans;                              ///< Chunks that a publisher may hold at once.
  std::uint32_t max_groups;
  std::uint32_t max_readers;
  std::uint32_t max_writers;
  std::uint32_t depth;
  std::uint32_t history;
  std::uint32_t type_size;  ///< sizeof of a fixed type, or 0. With type_name: see kTypeByte.
  std::uint8_t reliability;
  std::uint8_t durability;
  std::uint8_t type_known;  ///< 1 once type_size and type_name are written; until then the type is undeclared.
  std::uint8_t padding;
  std::array<char, kNameLength> topic_name;
  std::array<char, kNameLength> type_name;
};
static_assert(offsetof(TopicHeader, capacity) == 64);
static_assert(offsetof(TopicHeader, chunk_classes) == 176);
static_assert(offsetof(TopicHeader, max_views) == 368);
static_assert(offsetof(TopicHeader, topic_name) == 404);
static_assert(sizeof(TopicHeader) <= kPage);

/// Words are grouped by who writes them and how often: what readers poll is never on a line that producers write for
/// every message.
struct TopicControl {
  /// Producers' line. `reserved` counts granted positions. `doorbell` is armed by sleeping readers.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> reserved;
  shm::SharedAtomic<std::uint64_t> next_publisher;  ///< Identities given out so far.
  shm::Doorbell doorbell;

  /// The read-mostly line, written by the slow paths only.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> horizon;
  shm::SharedAtomic<std::uint64_t> fence_epoch;  ///< Raised after a writer's record became FENCED.

  /// Entries that were ever claimed lie below these, so that nobody looks through tables that are mostly empty. Raised
  /// by an entry's first owner before it is active; they never fall.
  shm::SharedAtomic<std::uint32_t> reader_entries;
  shm::SharedAtomic<std::uint32_t> writer_entries;

  /// Raw topics: 1 once a producer that keeps no entry here was noticed; then nothing is reliable any more.
  shm::SharedAtomic<std::uint32_t> foreign_producer;

  shm::SharedAtomic<std::uint32_t> group_entries;  ///< As reader_entries, for groups.

  /// Armed by producers that wait for room; looked at by readers of reliable topics for every message.
  alignas(shm::kIsolation) shm::Doorbell space;
};
static_assert(offsetof(TopicControl, doorbell) == 16);
static_assert(offsetof(TopicControl, horizon) == 128);
static_assert(offsetof(TopicControl, reader_entries) == 144);
static_assert(offsetof(TopicControl, writer_entries) == 148);
static_assert(offsetof(TopicControl, foreign_producer) == 152);
static_assert(offsetof(TopicControl, group_entries) == 156);
static_assert(offsetof(TopicControl, space) == 256);
static_assert(sizeof(TopicControl) == 384);

enum class EntryState : std::uint32_t {
  free = 0,
  active = 1,
  evicted = 2,  ///< readers only: held producers up for longer than evict_after
};

/// A reader's state counts joins, so that an eviction that was decided on long ago (its author was stopped) cannot hit
/// somebody who has joined since.
inline constexpr std::uint32_t kEntryStateMask = 0xFF;
[[nodiscard]] constexpr EntryState entry_state(std::uint32_t word) noexcept {
  return EntryState{word & kEntryStateMask};
}
[[nodiscard]] constexpr std::uint32_t with_state(std::uint32_t word, EntryState state) noexcept {
  return (word & ~kEntryStateMask) | static_cast<std::uint32_t>(state);
}
[[nodiscard]] constexpr std::uint32_t joined_once_more(std::uint32_t word) noexcept {
  return with_state(word + kEntryStateMask + 1, EntryState::active);
}

/// A subscription. Line 0 is read by producers' slow paths; line 1 by tools.
struct ReaderEntry {
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> cursor;  ///< Oldest position not yet given back.
  shm::SharedAtomic<std::uint32_t> state;  ///< EntryState, and above it how often it was joined.
  shm::SharedAtomic<std::uint32_t> pid;    ///< For people.
  shm::SharedAtomic<std::uint32_t> group;  ///< 0: none; else the number of its GroupEntry, plus 1: that counts.

  /// The books, under `version` (odd while they are written): joined + received + lost + skipped = next position.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> version;
  shm::SharedAtomic<std::uint64_t> joined;
  shm::SharedAtomic<std::uint64_t> received;
  shm::SharedAtomic<std::uint64_t> lost;
  shm::SharedAtomic<std::uint64_t> skipped;
  shm::SharedAtomic<std::uint64_t> bytes;
  shm::SharedAtomic<std::uint64_t> evictions;
};
static_assert(offsetof(ReaderEntry, version) == 128);
static_assert(sizeof(ReaderEntry) == 256);

/// A publisher. `record` says which position it is working on; see record_* below.
struct WriterEntry {
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> record;
  shm::SharedAtomic<std::uint64_t> publisher;
  shm::SharedAtomic<std::uint32_t> state;
  shm::SharedAtomic<std::uint32_t> pid;
  shm::SharedAtomic<std::uint64_t> grant;  ///< Raw topics: the latest grant, as make_reserved(position, n) of the ring.
  shm::SharedAtomic<std::uint64_t> start_time;  ///< With pid: whose state /proc tells, when a hole waits for it.

  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> version;
  shm::SharedAtomic<std::uint64_t> published;
  shm::SharedAtomic<std::uint64_t> bytes;
  shm::SharedAtomic<std::uint64_t> timeouts;
  shm::SharedAtomic<std::uint64_t> uncertain;
};
static_assert(offsetof(WriterEntry, version) == 128);
static_assert(sizeof(WriterEntry) == 256);

/// One message. `stamp` and payload share the cell's lines, so a message of up to 32 bytes is one cache line's journey.
struct Cell {
  shm::SharedAtomic<std::uint64_t> stamp;  ///< See stamp_*; 0: never used.
  std::uint64_t sequence;
  std::int64_t published_ns;
  std::uint32_t publisher;
  std::uint32_t length;
  // The payload follows.
};
static_assert(sizeof(Cell) == 32);
inline constexpr std::size_t kCellHeader = sizeof(Cell);

/// What a cell says about position i. Both only ever grow within a cell, except for a fenced owner's late store.
[[nodiscard]] constexpr std::uint64_t stamp_message(std::uint64_t i) noexcept { return i + 1; }
[[nodiscard]] constexpr std::uint64_t stamp_jump(std::uint64_t i) noexcept { return i + 2; }
/// Two consecutive laps of a cell are kMinCapacity apart or more, so a jump is never mistaken for a message.
inline constexpr std::uint64_t kMinCapacity = 4;

/// A writer's record: first position in the upper 56 bits, how many in the next six, state in the lower two.
enum class RecordState : std::uint64_t { idle = 0, intent = 1, fenced = 2 };
inline constexpr std::uint64_t kRecordIdle = 0;
inline constexpr std::uint64_t kMostInRecord = 63;  ///< Positions.
[[nodiscard]] constexpr std::uint64_t record_of(std::uint64_t i, std::uint64_t count, RecordState state) noexcept {
  return i << 8U | count << 2U | static_cast<std::uint64_t>(state);
}
[[nodiscard]] constexpr std::uint64_t record_intent(std::uint64_t i, std::uint64_t count = 1) noexcept {
  return record_of(i, count, RecordState::intent);
}
[[nodiscard]] constexpr std::uint64_t record_fenced(std::uint64_t i, std::uint64_t count = 1) noexcept {
  return record_of(i, count, RecordState::fenced);
}
[[nodiscard]] constexpr RecordState record_state(std::uint64_t record) noexcept { return RecordState{record & 3U}; }
[[nodiscard]] constexpr std::uint64_t record_position(std::uint64_t record) noexcept { return record >> 8U; }
[[nodiscard]] constexpr std::uint64_t record_count(std::uint64_t record) noexcept { return record >> 2U & 63U; }
[[nodiscard]] constexpr bool record_covers(std::uint64_t record, std::uint64_t i) noexcept {
  return record_state(record) != RecordState::idle && i - record_position(record) < record_count(record);
}

/// Who has a chunk. Padded to a line: producers change them one by one.
struct ChunkState {
  alignas(shm::kCacheLine) shm::SharedAtomic<std::uint64_t> word;  ///< See chunk_*; 0: available, never published.
};
static_assert(sizeof(ChunkState) == shm::kCacheLine);

/// Last published at position i (for good: nobody has to give it back), or lent to the writer of an entry.
[[nodiscard]] constexpr std::uint64_t chunk_published(std::uint64_t i) noexcept { return (i + 1) << 1U; }
[[nodiscard]] constexpr std::uint64_t chunk_lent(std::uint32_t writer) noexcept {
  return std::uint64_t{writer} << 1U | 1U;
}
inline constexpr std::uint64_t kChunkUnused = 0;
[[nodiscard]] constexpr bool chunk_is_lent(std::uint64_t word) noexcept { return (word & 1U) != 0; }
[[nodiscard]] constexpr std::uint32_t chunk_borrower(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 1U);
}
/// The first position that does not need it any more, as far as readers on their way to it go.
[[nodiscard]] constexpr std::uint64_t chunk_end(std::uint64_t word) noexcept { return word >> 1U; }

/// What a cell carries instead of a payload that is longer than the inline limit.
struct ChunkReference {
  std::uint32_t chunk;
  std::uint32_t padding;
};
static_assert(sizeof(ChunkReference) == 8);

/// A work-stealing group: its members share the topic's messages. PROTOCOL.md, "Groups". A claim word per cell follows.
struct GroupEntry {
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> next;    ///< The position to claim next.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> cursor;  ///< The oldest position not acknowledged.
  shm::SharedAtomic<std::uint64_t> joined;                           ///< Where the group began.
  shm::SharedAtomic<std::uint32_t> life;  ///< Counts births and ends. Odd: `cursor` counts as that of a reader.
  std::uint32_t padding;
  std::array<char, 64> name;
};
static_assert(sizeof(GroupEntry) == 256);

[[nodiscard]] constexpr bool group_lives(std::uint32_t life) noexcept { return (life & 1U) != 0; }

/// What became of a position in a group: its lower 46 bits, the member, the state. Positions 2^46 apart are told apart
/// by being a lifetime apart.
enum class ClaimState : std::uint64_t {
  none = 0,
  claimed = 1,  ///< By `member`, or by kOrphan: a member that is gone.
  done = 2,     ///< Acknowledged, or there was nothing to have.
};
inline constexpr std::uint64_t kOrphan = 0xFFFF;
[[nodiscard]] constexpr std::uint64_t claim_of(std::uint64_t i, std::uint64_t member, ClaimState state) noexcept {
  return i << 18U | member << 2U | static_cast<std::uint64_t>(state);
}
[[nodiscard]] constexpr ClaimState claim_state(std::uint64_t word) noexcept { return ClaimState{word & 3U}; }
[[nodiscard]] constexpr std::uint64_t claim_member(std::uint64_t word) noexcept { return word >> 2U & 0xFFFFU; }
/// Whether the word speaks of position i, rather than of an earlier or a later lap.
[[nodiscard]] constexpr bool claim_is_of(std::uint64_t word, std::uint64_t i) noexcept {
  return claim_state(word) != ClaimState::none && word >> 18U == (i << 18U) >> 18U;
}
/// Whether the word speaks of nothing, or of a position of an earlier lap than i's.
[[nodiscard]] constexpr bool claim_is_before(std::uint64_t word, std::uint64_t i) noexcept {
  const std::uint64_t distance = (i << 18U) - (word >> 18U << 18U);
  return claim_state(word) == ClaimState::none || (distance != 0 && distance < std::uint64_t{1} << 63U);
}

}  // namespace sluice::slick
